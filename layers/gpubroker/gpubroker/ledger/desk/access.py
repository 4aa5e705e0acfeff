"""Which accounts a caller may see and move. One's own, those of one's organisations by one's role there; services and
administrators all. Somebody else's account is no account: 404."""

from dataclasses import dataclass

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import Forbidden, Invalid
from gpubroker.ledger.accounts import kind_of
from gpubroker.ledger.organizations.organization import Member
from gpubroker.ledger.organizations.repository import Organizations
from gpubroker.ledger.organizations.roles import Right
from gpubroker.ledger.problems import AccountNotFound

ME = "me"
"""The caller's own account, in a path."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An account that a caller may use. own: it is the caller's, who opens it by using it; member: by which place."""

    account_id: str
    own: bool = False
    member: Member | None = None


class Access:
    def __init__(self, organizations: Organizations):
        self._organizations = organizations

    def to(self, caller: Caller, account_id: str, right: Right) -> Opening:
        """The account, for a caller who may do this with it.

        Raises AccountNotFound where the caller may not know of it, Forbidden where the role does not go so far.
        """
        person = caller.role in (Role.USER, Role.AGENT, Role.ADMIN)
        if account_id == ME:
            if not person:
                raise AccountNotFound("A service has no account.")
            return Opening(caller.tenant, own=True)
        if account_id == caller.tenant and person:
            return Opening(account_id, own=True)
        if caller.role in (Role.SERVICE, Role.ADMIN):
            return Opening(_known(account_id))
        member = self._organizations.place_of(account_id, caller.tenant) if account_id.startswith("org_") else None
        if member is None:
            raise AccountNotFound(f"There is no account {account_id}.")
        if not member.may(right):
            raise Forbidden(f"A {member.role} of {account_id} may not do this.")
        return Opening(account_id, member=member)


def _known(account_id: str) -> str:
    """An id that an account could have. Raises AccountNotFound."""
    try:
        kind_of(account_id)
    except Invalid:
        raise AccountNotFound(f"There is no account {account_id}.") from None
    return account_id
