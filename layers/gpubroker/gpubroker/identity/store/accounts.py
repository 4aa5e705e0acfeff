"""Service and agent accounts: the grant in the principal's standing decides, an item beside it is what is shown.

A service is a principal of its own (`svc_...`); an agent acts for a user and stands in the user's standing, so what
ends the user's credentials ends the agent's.
"""

from dataclasses import dataclass
from typing import Any

from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import size

from gpubroker.identity import events
from gpubroker.identity.standing import MAX_ACCOUNTS
from gpubroker.identity.store.items import AccountItem, Identity, StandingItem, found
from gpubroker.identity.store.standings import key_of
from gpubroker.kernel.caller import Plan, Role
from gpubroker.kernel.errors import Conflict, NotFound, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.storage.idempotency import remember
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, transaction

_PK = "SERVICES"


class ServiceIdTaken(Conflict):
    """Ids of accounts are never used again, revoked ones included: logs and audits name them."""

    code = "service-id-taken"
    title = "There is, or was, an account of this id"


class TooManyAccounts(Conflict):
    code = "too-many-agents"
    title = "The owner has as many agents as one may have"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """kind: service or agent. principal: whose standing decides. Times are epoch seconds."""

    service_id: str
    principal: str
    kind: str
    owner_id: str | None
    scopes: tuple[str, ...]
    last_four: str
    created_at: int
    created_by: str
    revoked_at: int | None = None


def add(account: ServiceAccount, *, digest: str, idempotency: Idempotency | None, answer: dict[str, Any]) -> None:
    """Raises ServiceIdTaken; NotFound when an agent's owner does not exist; TooManyAccounts; AlreadyDone."""
    grant = {"kind": account.kind, "digest": digest, "scopes": list(account.scopes), "generation": 1}
    with transaction(Identity) as tx:
        tx.put(
            AccountItem(
                _PK,
                f"ACCOUNT#{account.service_id}",
                service_id=account.service_id,
                principal=account.principal,
                kind=account.kind,
                owner_id=account.owner_id,
                scopes=list(account.scopes),
                last_four=account.last_four,
                created_at=account.created_at,
                created_by=account.created_by,
            ),
            condition=AccountItem.pk.does_not_exist(),
            lost=ServiceIdTaken,
        )
        if account.kind == "service":
            standing = StandingItem(
                account.principal,
                "STANDING",
                role=Role.SERVICE.value,
                plan=Plan.ENTERPRISE.value,
                accounts={account.service_id: grant},
            )
            tx.put(standing, condition=StandingItem.pk.does_not_exist())
        else:
            tx.update(
                key_of(account.principal),
                actions=[StandingItem.accounts[account.service_id].set(grant)],
                condition=StandingItem.pk.exists() & (size(StandingItem.accounts) < MAX_ACCOUNTS),  # type: ignore[no-untyped-call]
                lost=TooManyAccounts(f"A user may have {MAX_ACCOUNTS} agents."),
            )
        tx.put(
            outbox_item(
                Identity,
                events.service_account_created(
                    account.service_id,
                    kind=account.kind,
                    owner_id=account.owner_id,
                    scopes=account.scopes,
                    created_by=account.created_by,
                ),
                source=events.SOURCE,
            )
        )
        remember(tx, Identity, idempotency, answer)


def one(service_id: str) -> ServiceAccount:
    """Raises NotFound."""
    item: AccountItem | None = found(AccountItem, _PK, f"ACCOUNT#{service_id}")
    if item is None:
        raise NotFound("There is no such service account.")
    return _of(item)


def page(*, limit: int, after: str | None) -> tuple[list[ServiceAccount], str | None]:
    """Accounts by id, from behind id `after`; and the id to go on from, None at the end."""
    start = {"pk": {"S": _PK}, "sk": {"S": f"ACCOUNT#{after}"}} if after else None
    try:
        rows = AccountItem.query(
            _PK,
            AccountItem.sk.startswith("ACCOUNT#"),
            consistent_read=True,
            limit=limit + 1,
            page_size=limit + 1,
            last_evaluated_key=start,
        )
        accounts = [_of(item) for item in rows]
    except PynamoDBException as error:
        raise Unavailable("The identity store cannot be reached.", retry_after=1) from error
    return accounts[:limit], accounts[limit - 1].service_id if len(accounts) > limit else None


def rotate_secret(
    account: ServiceAccount,
    *,
    digest: str,
    last_four: str,
    revoke_tokens: bool,
    changed_by: str,
    idempotency: Idempotency | None,
    answer: dict[str, Any],
) -> None:
    """A new secret; the old one is void. With `revoke_tokens` so are all tokens. Raises StaleVersion when revoked."""
    grant = StandingItem.accounts[account.service_id]
    actions = [grant["digest"].set(digest)]
    if revoke_tokens:
        actions.append(grant["generation"].set(grant["generation"] + 1))
    with transaction(Identity) as tx:
        tx.update(
            AccountItem(_PK, f"ACCOUNT#{account.service_id}"),
            actions=[AccountItem.last_four.set(last_four)],
            condition=AccountItem.pk.exists() & AccountItem.revoked_at.does_not_exist(),
            lost=StaleVersion,
        )
        tx.update(key_of(account.principal), actions=actions, condition=grant["digest"].exists())
        event = events.service_secret_rotated(account.service_id, tokens_revoked=revoke_tokens, changed_by=changed_by)
        tx.put(outbox_item(Identity, event, source=events.SOURCE))
        remember(tx, Identity, idempotency, answer)


def revoke(account: ServiceAccount, *, at: int, changed_by: str) -> None:
    """End an account with its secret and all its tokens. Raises StaleVersion when it was ended meanwhile."""
    with transaction(Identity) as tx:
        tx.update(
            AccountItem(_PK, f"ACCOUNT#{account.service_id}"),
            actions=[AccountItem.revoked_at.set(at)],
            condition=AccountItem.pk.exists() & AccountItem.revoked_at.does_not_exist(),
            lost=StaleVersion,
        )
        tx.update(
            key_of(account.principal),
            actions=[StandingItem.accounts[account.service_id].remove()],
            condition=StandingItem.pk.exists(),
        )
        event = events.service_account_revoked(account.service_id, changed_by=changed_by)
        tx.put(outbox_item(Identity, event, source=events.SOURCE))


def _of(item: AccountItem) -> ServiceAccount:
    return ServiceAccount(
        item.service_id,
        item.principal,
        item.kind,
        item.owner_id,
        tuple(item.scopes),
        item.last_four,
        int(item.created_at),
        item.created_by,
        None if item.revoked_at is None else int(item.revoked_at),
    )
