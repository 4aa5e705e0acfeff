"""Whose billing a caller may look at."""

from typing import Protocol

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import NotFound

ACCOUNT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$"
"""Users and organisations have bills; the accounts of sellers and of the house (which have a colon) have none."""


class AccountNotFound(NotFound):
    """There is none, or it is somebody else's."""

    code = "account-not-found"
    title = "There is no such account"


class Accounts(Protocol):
    """One's own account always; an organisation's by role."""

    def may_see(self, caller: Caller, account_id: str) -> bool: ...

    def exists(self, account_id: str) -> bool: ...


def seen(accounts: Accounts, caller: Caller, account_id: str) -> None:
    """Refuse a caller who may not see the account. Administrators and services see all. Raises AccountNotFound."""
    if caller.role in (Role.ADMIN, Role.SERVICE) or accounts.may_see(caller, account_id):
        return
    raise AccountNotFound(f"There is no account {account_id}.")


def known(accounts: Accounts, account_id: str) -> None:
    """Refuse an account that there is not. Raises AccountNotFound."""
    if not accounts.exists(account_id):
        raise AccountNotFound(f"There is no account {account_id}.")
