"""Who may see what is used: oneself, one's organisation, services and administrators; to others it is not there."""

from gpubroker.kernel.caller import Caller, Role
from gpubroker.kernel.errors import NotFound
from gpubroker.usage.ports import Organisations


class UsageNotFound(NotFound):
    code = "usage-not-found"
    title = "There is no such usage"


def sees_all(caller: Caller) -> bool:
    return caller.role in (Role.ADMIN, Role.SERVICE)


def may_see_user(caller: Caller, user_id: str) -> None:
    """Raises UsageNotFound."""
    if not sees_all(caller) and caller.tenant != user_id:
        raise UsageNotFound(f"There is no usage of {user_id}.")


def may_see_organisation(caller: Caller, org_id: str, organisations: Organisations) -> None:
    """Raises UsageNotFound."""
    if not sees_all(caller) and not organisations.may_see_usage(caller, org_id):
        raise UsageNotFound(f"There is no usage of {org_id}.")


def owner_seen_by(caller: Caller) -> str | None:
    """The only owner whose instances the caller may see; None for who sees all."""
    return None if sees_all(caller) else caller.tenant
