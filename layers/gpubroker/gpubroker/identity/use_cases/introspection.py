"""What a credential is: for its own holder, and for other modules that were handed one (304, 305)."""

from gpubroker.identity.permissions import REQUESTS_PER_SECOND, endpoints_of
from gpubroker.identity.store import accounts, users
from gpubroker.identity.store.standings import standing_of
from gpubroker.identity.use_cases.moments import shown
from gpubroker.identity.verify import Verifier
from gpubroker.identity.views import Endpoint, MeView, RateLimits, ServicePermissionsView, ValidationView
from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import NotFound, Unauthenticated


def me(caller: Caller) -> MeView:
    """The caller, as the verifier sees it, with the profile of a person. Raises NotFound."""
    found = MeView(
        user_id=_user_id(caller),
        subject=caller.subject,
        role=caller.role.value,
        plan=caller.plan,
        permissions=sorted(caller.scopes),
        requests_per_second=REQUESTS_PER_SECOND[caller.plan.value],
    )
    if caller.role not in (Role.USER, Role.ADMIN):
        return found
    profile = users.profile_of(caller.subject)
    if profile is None:
        raise NotFound("There is no such user.")
    return found.model_copy(
        update={
            "email": profile.email,
            "email_verified": profile.email_verified,
            "name": profile.name,
            "created_at": shown(profile.created_at),
        }
    )


def validate(token: str, *, verifier: Verifier, address: str) -> ValidationView:
    """Whether a token or key holds, and for whom; of one that does not, nothing more is said (RFC 7662, 2.2)."""
    try:
        caller = verifier.caller_of_text(token, address)
    except Unauthenticated:
        return ValidationView(valid=False)
    return ValidationView(
        valid=True,
        user_id=_user_id(caller),
        subject=caller.subject,
        role=caller.role.value,
        plan=caller.plan,
        permissions=sorted(caller.scopes),
    )


def _user_id(caller: Caller) -> str:
    """The person behind a caller; a service stands for itself."""
    return caller.subject if caller.role is Role.SERVICE else caller.tenant


def service_permissions(service_id: str) -> ServicePermissionsView:
    """What an account may call and how often. Raises NotFound."""
    account = accounts.one(service_id)
    active = account.revoked_at is None
    standing = standing_of(account.principal)
    if standing is None:
        raise NotFound("There is no such service account.")
    plan = Plan.ENTERPRISE if account.kind == "service" else standing.plan
    scopes = sorted(account.scopes) if active and not standing.disabled else []
    return ServicePermissionsView(
        service_id=service_id,
        kind="service" if account.kind == "service" else "agent",
        status="active" if active else "revoked",
        plan=plan,
        permissions=scopes,
        allowed_endpoints=[Endpoint(**endpoint) for endpoint in endpoints_of(scopes)],
        rate_limits=RateLimits(requests_per_second=REQUESTS_PER_SECOND[plan.value] if active else 0),
    )
