"""What callers send and what they are answered. Never the stored items."""

from typing import Annotated, Literal

from pydantic import Field

from gpubroker.kernel.caller import Plan
from gpubroker.kernel.schemas import RequestModel, View

Email = Annotated[str, Field(min_length=3, max_length=254, examples=["ada@example.com"])]
Password = Annotated[str, Field(min_length=1, max_length=256, examples=["a long and quiet sentence"])]
Token = Annotated[str, Field(min_length=1, max_length=4096)]
ServiceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{1,63}$", examples=["pricing-agent"])]
Scopes = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=20)]


class Registration(RequestModel):
    email: Email
    password: Password
    name: Annotated[str, Field(min_length=1, max_length=120)] | None = None


class Credentials(RequestModel):
    email: Email
    password: Password


class RefreshRequest(RequestModel):
    refresh_token: Token


class EmailRequest(RequestModel):
    email: Email


class TokenRequest(RequestModel):
    token: Token


class PasswordReset(RequestModel):
    token: Token
    password: Password


class PasswordChange(RequestModel):
    current_password: Password
    new_password: Password


class NewApiKey(RequestModel):
    """scopes: at most the caller's own; none given means all of them but `keys:manage`.

    expires_in_days: never, unless given.
    """

    name: Annotated[str, Field(min_length=1, max_length=80, examples=["ci"])] = "API key"
    scopes: Scopes | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class ServiceTokenRequest(RequestModel):
    service_id: ServiceId
    secret: Annotated[str, Field(min_length=1, max_length=256)]
    scopes: Scopes | None = None


class NewServiceAccount(RequestModel):
    """owner_id: the user that an agent acts for (needed); for a service, whom to ask about it (optional)."""

    service_id: ServiceId
    kind: Literal["service", "agent"]
    owner_id: Annotated[str, Field(max_length=64)] | None = None
    scopes: Scopes


class PlanChoice(RequestModel):
    plan: Plan


class StatusChoice(RequestModel):
    status: Literal["active", "disabled"]


class Accepted(View):
    """The same answer whether or not the address has an account."""

    status: Literal["accepted"] = "accepted"
    message: str


class TokensView(View):
    """expires_in, refresh_expires_in: seconds. plan: at the time of the answer."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int
    refresh_expires_in: int
    user_id: str
    plan: Plan


class UserView(View):
    user_id: str
    email: str
    email_verified: bool
    name: str | None
    role: str
    plan: Plan
    status: Literal["active", "disabled"]
    created_at: str


class MeView(View):
    """Who the credential belongs to. email and what follows it are absent (null) for services and agents."""

    user_id: str
    subject: str
    role: str
    plan: Plan
    permissions: list[str]
    requests_per_second: int
    email: str | None = None
    email_verified: bool | None = None
    name: str | None = None
    created_at: str | None = None


class ApiKeyView(View):
    key_id: str
    name: str
    scopes: list[str]
    last_four: str
    status: Literal["active", "expired", "revoked"]
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class NewApiKeyView(ApiKeyView):
    """`api_key` is shown here and never again; a repeated request (same Idempotency-Key) is answered without it."""

    api_key: str | None


class ApiKeyPage(View):
    items: list[ApiKeyView]
    next_cursor: str | None


class ServiceTokenView(View):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int
    service_id: str
    kind: Literal["service", "agent"]
    scopes: list[str]


class ServiceAccountView(View):
    service_id: str
    kind: Literal["service", "agent"]
    owner_id: str | None
    scopes: list[str]
    last_four: str
    status: Literal["active", "revoked"]
    created_at: str
    created_by: str
    revoked_at: str | None


class NewServiceAccountView(ServiceAccountView):
    """`secret` is shown here and never again; a repeated request (same Idempotency-Key) is answered without it."""

    secret: str | None


class ServiceAccountPage(View):
    items: list[ServiceAccountView]
    next_cursor: str | None


class PlanView(View):
    """effective_within_seconds: by when every function knows the new plan."""

    user_id: str
    plan: Plan
    previous_plan: Plan
    effective_within_seconds: int


class StatusView(View):
    user_id: str
    status: Literal["active", "disabled"]
    effective_within_seconds: int


class ValidationView(View):
    """Of a token that does not hold only `valid: false` is said."""

    valid: bool
    user_id: str | None = None
    subject: str | None = None
    role: str | None = None
    plan: Plan | None = None
    permissions: list[str] = Field(default_factory=list)


class Endpoint(View):
    method: str
    path: str


class RateLimits(View):
    requests_per_second: int


class ServicePermissionsView(View):
    service_id: str
    kind: Literal["service", "agent"]
    status: Literal["active", "revoked"]
    plan: Plan
    permissions: list[str]
    allowed_endpoints: list[Endpoint]
    rate_limits: RateLimits


class KeySetView(View):
    """RFC 7517."""

    keys: list[dict[str, str]]
