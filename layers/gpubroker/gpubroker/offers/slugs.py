"""The providers by name, for those who only ask which there are: importing the adapters' registry costs 80 ms.

A test holds it equal to `providers.registry.PROVIDERS`.
"""

SLUGS: tuple[str, ...] = (
    "azure",
    "cloudrift",
    "digitalocean",
    "hyperstack",
    "lambdalabs",
    "linode",
    "primeintellect",
    "runpod",
    "scaleway",
    "shadeform",
    "vastai",
    "verda",
    "vultr",
)
