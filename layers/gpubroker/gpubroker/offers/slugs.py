"""The providers by name, for those who only ask which there are: importing the adapters' registry costs 80 ms.

A test holds it equal to `providers.registry.PROVIDERS`.
"""

SLUGS: tuple[str, ...] = (
    "azure",
    "hyperstack",
    "lambdalabs",
    "primeintellect",
    "runpod",
    "shadeform",
    "vastai",
    "verda",
)
