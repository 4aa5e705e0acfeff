"""The providers by name, for those who only ask which there are: importing the adapters' registry costs 80 ms.

A test holds it equal to `providers.registry.PROVIDERS`.
"""

SLUGS: tuple[str, ...] = (
    "akash",
    "aws",
    "azure",
    "cloudrift",
    "crusoe",
    "cudo",
    "digitalocean",
    "fluidstack",
    "gcp",
    "hotaisle",
    "hyperbolic",
    "hyperstack",
    "jarvislabs",
    "koyeb",
    "lambdalabs",
    "latitude",
    "linode",
    "mithril",
    "oci",
    "ovhcloud",
    "paperspace",
    "primeintellect",
    "runpod",
    "salad",
    "scaleway",
    "seeweb",
    "shadeform",
    "tensordock",
    "together",
    "vastai",
    "verda",
    "vultr",
)
