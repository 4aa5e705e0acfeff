"""The providers by name, for those who only ask which there are: importing the adapters' registry costs 80 ms.

A test holds it equal to `providers.registry.PROVIDERS`.
"""

SLUGS: tuple[str, ...] = (
    "akash",
    "azure",
    "crusoe",
    "cudo",
    "fluidstack",
    "hotaisle",
    "hyperbolic",
    "hyperstack",
    "jarvislabs",
    "lambdalabs",
    "latitude",
    "mithril",
    "paperspace",
    "primeintellect",
    "runpod",
    "salad",
    "shadeform",
    "tensordock",
    "together",
    "vastai",
    "verda",
)
