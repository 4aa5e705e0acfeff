"""Who is asking. Made by verification at the edge, read by every use case."""

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    SERVICE = "service"
    AGENT = "agent"
    ADMIN = "admin"


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"
    ENTERPRISE = "enterprise"


PLAN_RANK = {Plan.FREE: 0, Plan.PRO: 1, Plan.ENTERPRISE: 2}


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller, or the anonymous one.

    subject     id of the user, service or agent; "" when anonymous
    tenant      whose data this caller acts on: the user itself, or an agent's owner; "" when anonymous
    plan        decides limits and features; from the verified identity, never from a header of the client (204)
    credential  stable id of the key or session, the bucket of rate limits; "" when anonymous
    address     the client's address as the edge saw it
    """

    role: Role
    subject: str = ""
    tenant: str = ""
    plan: Plan = Plan.FREE
    scopes: frozenset[str] = field(default_factory=frozenset)
    credential: str = ""
    address: str = ""

    @property
    def anonymous(self) -> bool:
        return self.role is Role.ANONYMOUS

    def may(self, scope: str) -> bool:
        """Whether the credential carries a scope; `rentals:*` covers `rentals:read`, `*` covers all."""
        area = scope.partition(":")[0]
        return scope in self.scopes or f"{area}:*" in self.scopes or "*" in self.scopes

    def has_plan(self, least: Plan) -> bool:
        """Whether the caller's plan is at least this one."""
        return PLAN_RANK[self.plan] >= PLAN_RANK[least]
