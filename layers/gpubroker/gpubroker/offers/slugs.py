"""The providers by name, for those who only ask which there are: importing the adapters' registry costs 80 ms.

A test holds it equal to `providers.registry.PROVIDERS`.
"""

SLUGS: tuple[str, ...] = (
    "aws",
    "azure",
    "cloudrift",
    "digitalocean",
    "gcp",
    "hyperstack",
    "koyeb",
    "lambdalabs",
    "linode",
    "oci",
    "ovhcloud",
    "primeintellect",
    "runpod",
    "scaleway",
    "seeweb",
    "shadeform",
    "vastai",
    "verda",
    "vultr",
)
