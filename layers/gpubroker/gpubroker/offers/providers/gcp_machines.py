"""Google Cloud's machine types with GPUs: a dated static table, since the price catalogue says prices of parts only.

Sizes GiB. Source: cloud.google.com/compute/docs/gpus and /accelerator-optimized-machines, one table a series;
fixed local SSD from /compute/docs/disks/local-ssd.
"""

from typing import NamedTuple

AS_OF = "2026-05-24"


class Machine(NamedTuple):
    """`family` and `part` are the names that the price catalogue gives the host and the GPU, in lower case.

    on_demand False: sold as spot or reserved only. ssd_gib is billed on top of the parts.
    """

    name: str
    family: str
    part: str
    gpu: str
    form: str | None
    gpus: int
    vram_gb: int
    vcpus: int
    ram_gb: float
    ssd_gib: int = 0
    on_demand: bool = True


def _series(
    name: str,
    family: str,
    part: str,
    gpu: str,
    form: str | None,
    vram: int,
    rows: tuple[tuple[str, int, int, float, int], ...],
) -> tuple[Machine, ...]:
    return tuple(
        Machine(name.format(size), family, part, gpu, form, gpus, vram, vcpus, ram, ssd)
        for size, gpus, vcpus, ram, ssd in rows
    )


MACHINES: tuple[Machine, ...] = (
    *_series(
        "a2-{}", "a2", "nvidia tesla a100", "A100", "SXM4", 40,
        (("highgpu-1g", 1, 12, 85, 0), ("highgpu-2g", 2, 24, 170, 0), ("highgpu-4g", 4, 48, 340, 0),
         ("highgpu-8g", 8, 96, 680, 0), ("megagpu-16g", 16, 96, 1360, 0)),
    ),
    *_series(
        "a2-{}", "a2", "nvidia tesla a100 80gb", "A100", "SXM4", 80,
        (("ultragpu-1g", 1, 12, 170, 375), ("ultragpu-2g", 2, 24, 340, 750), ("ultragpu-4g", 4, 48, 680, 1500),
         ("ultragpu-8g", 8, 96, 1360, 3000)),
    ),
    Machine("a3-highgpu-1g", "a3", "nvidia h100 80gb", "H100", "SXM5", 1, 80, 26, 234, 750, on_demand=False),
    Machine("a3-highgpu-2g", "a3", "nvidia h100 80gb", "H100", "SXM5", 2, 80, 52, 468, 1500, on_demand=False),
    Machine("a3-highgpu-4g", "a3", "nvidia h100 80gb", "H100", "SXM5", 4, 80, 104, 936, 3000, on_demand=False),
    Machine("a3-highgpu-8g", "a3", "nvidia h100 80gb", "H100", "SXM5", 8, 80, 208, 1872, 6000),
    Machine("a3-megagpu-8g", "a3plus", "nvidia h100 80gb plus", "H100", "SXM5", 8, 80, 208, 1872, 6000),
    *_series(
        "g2-standard-{}", "g2", "nvidia l4", "L4", "PCIe", 24,
        (("4", 1, 4, 16, 0), ("8", 1, 8, 32, 0), ("12", 1, 12, 48, 0), ("16", 1, 16, 64, 0), ("24", 2, 24, 96, 0),
         ("32", 1, 32, 128, 0), ("48", 4, 48, 192, 0), ("96", 8, 96, 384, 0)),
    ),
    *_series(
        "n1-standard-{}", "n1", "nvidia tesla t4", "T4", "PCIe", 16,
        (("4+1xt4", 1, 4, 15, 0), ("8+1xt4", 1, 8, 30, 0), ("16+2xt4", 2, 16, 60, 0), ("32+4xt4", 4, 32, 120, 0)),
    ),
    *_series(
        "n1-standard-{}", "n1", "nvidia tesla v100", "V100", "SXM2", 16,
        (("8+1xv100", 1, 8, 30, 0), ("16+2xv100", 2, 16, 60, 0), ("32+4xv100", 4, 32, 120, 0),
         ("64+8xv100", 8, 64, 240, 0)),
    ),
)  # fmt: skip
"""N1 takes GPUs of one's choice: `<machine type>+<count>x<gpu>` are the usual pairs."""
