"""Reading standings: the one GetItem that decides about a credential."""

from gpubroker.identity.standing import Account, KeyGrant, Session, Standing
from gpubroker.identity.store.items import StandingItem, found
from gpubroker.kernel.caller import Plan, Role

SK = "STANDING"


def standing_of(principal: str) -> Standing | None:
    """The standing of `usr_...` or `svc_...` as last written; None when there is no such principal."""
    item: StandingItem | None = found(StandingItem, principal, SK)
    return from_item(item) if item else None


def from_item(item: StandingItem) -> Standing:
    sessions = item.sessions.as_dict()
    keys = item.api_keys.as_dict()
    accounts = item.accounts.as_dict()
    return Standing(
        principal=item.pk,
        role=Role(item.role),
        plan=Plan(item.plan),
        disabled=item.disabled,
        sessions={name: Session(**entry) for name, entry in sessions.items()},
        keys={
            name: KeyGrant(entry["digest"], frozenset(entry["scopes"]), entry.get("expires_at"))
            for name, entry in keys.items()
        },
        accounts={
            name: Account(entry["kind"], entry["digest"], frozenset(entry["scopes"]), entry["generation"])
            for name, entry in accounts.items()
        },
    )


def key_of(principal: str) -> StandingItem:
    """The bare key of a standing, to update it."""
    return StandingItem(principal, SK)
