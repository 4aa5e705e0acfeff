"""Azure's VM sizes with GPUs: a dated static table, since the retail price API says prices and no specifications.

Only sizes with whole GPUs: the NVads_A10_v5 and NVv4 sizes with a sixth to a half of one are no comparable offer.
Sizes GiB. Source: learn.microsoft.com/azure/virtual-machines/sizes/gpu-accelerated, one page a series.
"""

from typing import NamedTuple

AS_OF = "2026-05-24"


class Size(NamedTuple):
    gpu: str
    gpus: int
    vram_gb: int
    form: str | None
    vcpus: int
    ram_gb: int


SIZES: dict[str, Size] = {
    "Standard_NC40ads_H100_v5": Size("H100", 1, 94, "NVL", 40, 320),
    "Standard_NC80adis_H100_v5": Size("H100", 2, 94, "NVL", 80, 640),
    "Standard_NCC40ads_H100_v5": Size("H100", 1, 94, "NVL", 40, 320),
    "Standard_ND96isr_H100_v5": Size("H100", 8, 80, "SXM5", 96, 1900),
    "Standard_ND96is_H100_v5": Size("H100", 8, 80, "SXM5", 96, 1900),
    "Standard_ND96isr_H200_v5": Size("H200", 8, 141, "SXM5", 96, 1850),
    "Standard_ND96isr_MI300X_v5": Size("MI300X", 8, 192, "OAM", 96, 1850),
    "Standard_ND96is_MI300X_v5": Size("MI300X", 8, 192, "OAM", 96, 1850),
    "Standard_ND128isr_NDR_GB200_v6": Size("GB200", 4, 186, None, 128, 900),
    "Standard_NC24ads_A100_v4": Size("A100", 1, 80, "PCIe", 24, 220),
    "Standard_NC48ads_A100_v4": Size("A100", 2, 80, "PCIe", 48, 440),
    "Standard_NC96ads_A100_v4": Size("A100", 4, 80, "PCIe", 96, 880),
    "Standard_ND96asr_v4": Size("A100", 8, 40, "SXM4", 96, 900),
    "Standard_ND96amsr_A100_v4": Size("A100", 8, 80, "SXM4", 96, 1900),
    "Standard_NC4as_T4_v3": Size("T4", 1, 16, "PCIe", 4, 28),
    "Standard_NC8as_T4_v3": Size("T4", 1, 16, "PCIe", 8, 56),
    "Standard_NC16as_T4_v3": Size("T4", 1, 16, "PCIe", 16, 110),
    "Standard_NC64as_T4_v3": Size("T4", 4, 16, "PCIe", 64, 440),
    "Standard_NC6s_v3": Size("V100", 1, 16, "PCIe", 6, 112),
    "Standard_NC12s_v3": Size("V100", 2, 16, "PCIe", 12, 224),
    "Standard_NC24s_v3": Size("V100", 4, 16, "PCIe", 24, 448),
    "Standard_NC24rs_v3": Size("V100", 4, 16, "PCIe", 24, 448),
    "Standard_ND40rs_v2": Size("V100", 8, 32, "SXM2", 40, 672),
    "Standard_NV36ads_A10_v5": Size("A10", 1, 24, "PCIe", 36, 440),
    "Standard_NV36adms_A10_v5": Size("A10", 1, 24, "PCIe", 36, 880),
    "Standard_NV72ads_A10_v5": Size("A10", 2, 24, "PCIe", 72, 880),
    "Standard_NV12s_v3": Size("M60", 1, 8, "PCIe", 12, 112),
    "Standard_NV24s_v3": Size("M60", 2, 8, "PCIe", 24, 224),
    "Standard_NV48s_v3": Size("M60", 4, 8, "PCIe", 48, 448),
}
