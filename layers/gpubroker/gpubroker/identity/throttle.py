"""How often something may be tried, by account and by address.

Counts live in DynamoDB, since these functions stand outside the VPC and have no Redis. One counter is one item per
fixed window, so that counting and refusing are one conditional write; around the edge of a window twice the limit
can pass within a short time, which these limits allow for. A successful login gives its attempt back.
"""

import hashlib
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` in a window of `seconds`."""

    name: str
    tries: int
    seconds: int


LOGIN_BY_ACCOUNT = Limit("login-account", 10, 900)
LOGIN_BY_ADDRESS = Limit("login-address", 100, 900)
SERVICE_BY_ACCOUNT = Limit("service-account", 10, 900)
SERVICE_BY_ADDRESS = Limit("service-address", 100, 900)
REGISTER_BY_ADDRESS = Limit("register-address", 100, 3600)
MAIL_BY_ADDRESS = Limit("mail-address", 100, 3600)
MAIL_BY_ACCOUNT = Limit("mail-account", 5, 3600)


@dataclass(frozen=True, slots=True)
class Count:
    """One counter: its key, its limit and the end of its window (epoch seconds)."""

    key: str
    limit: int
    ends_at: int

    def retry_after(self, now: float) -> float:
        """Seconds until the counter starts again, at least one."""
        return max(1.0, self.ends_at - now)


def count_of(limit: Limit, whom: str, now: float) -> Count:
    """The counter of `whom` at this moment. The name is hashed: a table of throttles is no list of our customers."""
    window = int(now // limit.seconds)
    digest = hashlib.sha256(whom.encode()).hexdigest()[:32]
    return Count(f"{limit.name}#{digest}#{window}", limit.tries, (window + 1) * limit.seconds)


def network_of(address: str) -> str:
    """What one subscriber holds: an IPv4 address, or the /64 of an IPv6 address, any of which is theirs to use."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)
