"""Which addresses a call to a place that a user named may go to.

An own list: Python 3.11's `ipaddress.is_global` says True for parts of 192.0.0.0/24, for 192.88.99.0/24, 3fff::/20,
2002::/16, 64:ff9b::/96, 64:ff9b:1::/48 and 5f00::/16, and its answer changes with the version. Sources: the IANA
special-purpose address registries (RFC 6890 and its updates), and the metadata addresses of the clouds.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host
        "169.254.0.0/16",  # link local: metadata at .169.254, credentials of tasks at .170.2 and .170.23
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments; a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
GLOBAL_V6 = IPv6Network("2000::/3")
"""All that is routed; so neither ::1, ::ffff:0:0/96 (IPv4 in disguise), 64:ff9b::/96 and 64:ff9b:1::/48 (translated
IPv4), 100::/64, 5f00::/16 (segment routing), fc00::/7 (private, a cloud's metadata at fd00:ec2::254), fe80::/10 nor
ff00::/8."""
DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: IPv4 in disguise
        "3fff::/20",  # documentation
    )
)
LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet. What is no address (a zone after `%`, say) is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in DENIED_V4)
    if getattr(address, "scope_id", None):
        return False
    return address in GLOBAL_V6 and not any(address in network for network in DENIED_V6)


def is_loopback(text: str) -> bool:
    """Whether an address is this very machine's, in its plain form."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not getattr(address, "scope_id", None) and any(address in network for network in LOOPBACK)
