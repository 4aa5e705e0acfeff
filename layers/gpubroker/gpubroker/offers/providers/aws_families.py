"""The GPUs of Amazon EC2's instance families: a dated static table, since the price list counts GPUs and names none.

Families with other accelerators (Trainium, Inferentia, Gaudi) and with slices of a GPU (g6f, gr6f) are not in it.
VRAM is that of one GPU, by its label (the EC2 API reports an L4 as 22,888 MiB).
Source: docs.aws.amazon.com/ec2/latest/instancetypes/ac.html.
"""

from typing import NamedTuple

AS_OF = "2026-05-24"


class Family(NamedTuple):
    gpu: str
    vram_gb: int
    form: str | None


FAMILIES: dict[str, Family] = {
    "g4dn": Family("T4", 16, "PCIe"),
    "g5": Family("A10G", 24, "PCIe"),
    "g6": Family("L4", 24, "PCIe"),
    "g6e": Family("L40S", 48, "PCIe"),
    "g7e": Family("RTX PRO 6000", 96, "PCIe"),
    "gr6": Family("L4", 24, "PCIe"),
    "p2": Family("K80", 12, "PCIe"),
    "p3": Family("V100", 16, "SXM2"),
    "p3dn": Family("V100", 32, "SXM2"),
    "p4d": Family("A100", 40, "SXM4"),
    "p4de": Family("A100", 80, "SXM4"),
    "p5": Family("H100", 80, "SXM5"),
    "p5e": Family("H200", 141, "SXM5"),
    "p5en": Family("H200", 141, "SXM5"),
    "p6-b200": Family("B200", 180, "SXM6"),
    "p6-b300": Family("B300", 288, "SXM6"),
}
