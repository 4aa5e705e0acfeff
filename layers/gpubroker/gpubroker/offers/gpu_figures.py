"""Peak figures per GPU, one row a variant: a dated static table, a source like any other (DESIGN §7).

FP16 is dense tensor throughput (no structured sparsity) with FP32 accumulation, in TFLOPS, for one GPU: what training
and serving frameworks use by default, and the only figure that data-centre and GeForce parts have in common (GeForce
halves it against FP16 accumulation). Bandwidth is GB/s of one GPU. Where a maker prints only the sparse figure it is
halved; where a workstation sheet prints only sparse FP8 it is divided by four.
"""

from typing import NamedTuple

AS_OF = "2026-05-24"

SOURCES = {
    "blackwell-dc": "NVIDIA Blackwell architecture datasheet (HGX B200/B300, GB200/GB300 NVL72)",
    "hopper": "NVIDIA H100 Tensor Core GPU datasheet; NVIDIA H200 datasheet",
    "gh200": "NVIDIA GH200 Grace Hopper Superchip datasheet",
    "a100": "NVIDIA A100 Tensor Core GPU datasheet (40 GB and 80 GB, PCIe and SXM)",
    "ampere-dc": "NVIDIA A2, A10, A16, A30 and A40 datasheets",
    "a10g": "NVIDIA A10G datasheet (Amazon EC2 G5)",
    "ada-dc": "NVIDIA L4, L40 and L40S datasheets",
    "rtx-pro": "NVIDIA RTX PRO 6000 Blackwell Server Edition datasheet",
    "rtx-ada": "NVIDIA RTX 6000/5000/4500/4000 Ada Generation datasheets",
    "rtx-ampere": "NVIDIA RTX A6000/A5500/A5000/A4500/A4000/A2000 datasheets",
    "geforce-50": "NVIDIA RTX Blackwell GPU architecture whitepaper, appendix tables",
    "geforce-40": "NVIDIA Ada GPU architecture whitepaper, appendix tables",
    "geforce-30": "NVIDIA Ampere GA102 GPU architecture whitepaper, appendix tables",
    "turing": "NVIDIA Turing GPU architecture whitepaper; NVIDIA T4 datasheet",
    "volta": "NVIDIA V100 datasheet (PCIe, SXM2, V100S)",
    "pascal": "NVIDIA Tesla P100 datasheet",
    "cdna": "AMD Instinct MI100/MI210/MI250/MI250X/MI300X/MI325X/MI350X/MI355X datasheets",
}


class Figures(NamedTuple):
    """One variant: form ("" fits every form), nominal VRAM in GB, TFLOPS, GB/s, and which document says so."""

    model: str
    form: str
    vram_gb: int
    fp16_tflops: float
    bandwidth_gb_s: float
    source: str


FIGURES: tuple[Figures, ...] = tuple(
    Figures(*row)
    for row in (
        ("GB300", "", 288, 2500.0, 8000.0, "blackwell-dc"),
        ("GB200", "", 186, 2500.0, 8000.0, "blackwell-dc"),
        ("B300", "", 288, 2250.0, 8000.0, "blackwell-dc"),
        ("B200", "", 180, 2250.0, 7700.0, "blackwell-dc"),
        ("H200", "SXM5", 141, 989.5, 4800.0, "hopper"),
        ("H200", "NVL", 141, 835.5, 4800.0, "hopper"),
        ("H100", "SXM5", 80, 989.5, 3350.0, "hopper"),
        ("H100", "NVL", 94, 835.5, 3900.0, "hopper"),
        ("H100", "PCIe", 80, 756.5, 2000.0, "hopper"),
        ("GH200", "", 96, 989.5, 4000.0, "gh200"),
        ("GH200", "", 144, 989.5, 4900.0, "gh200"),
        ("A100", "SXM4", 80, 312.0, 2039.0, "a100"),
        ("A100", "PCIe", 80, 312.0, 1935.0, "a100"),
        ("A100", "SXM4", 40, 312.0, 1555.0, "a100"),
        ("A100", "PCIe", 40, 312.0, 1555.0, "a100"),
        ("A40", "", 48, 149.7, 696.0, "ampere-dc"),
        ("A30", "", 24, 165.0, 933.0, "ampere-dc"),
        ("A10", "", 24, 125.0, 600.0, "ampere-dc"),
        ("A10G", "", 24, 70.0, 600.0, "a10g"),
        ("A16", "", 16, 17.9, 200.0, "ampere-dc"),
        ("A2", "", 16, 18.0, 200.0, "ampere-dc"),
        ("L40S", "", 48, 362.0, 864.0, "ada-dc"),
        ("L40", "", 48, 181.0, 864.0, "ada-dc"),
        ("L4", "", 24, 121.0, 300.0, "ada-dc"),
        ("RTX PRO 6000", "", 96, 500.0, 1597.0, "rtx-pro"),
        ("RTX 6000 Ada", "", 48, 364.2, 960.0, "rtx-ada"),
        ("RTX 5000 Ada", "", 32, 261.1, 576.0, "rtx-ada"),
        ("RTX 4500 Ada", "", 24, 158.5, 432.0, "rtx-ada"),
        ("RTX 4000 Ada", "", 20, 106.9, 360.0, "rtx-ada"),
        ("RTX A6000", "", 48, 154.8, 768.0, "rtx-ampere"),
        ("RTX A5500", "", 24, 136.4, 768.0, "rtx-ampere"),
        ("RTX A5000", "", 24, 111.1, 768.0, "rtx-ampere"),
        ("RTX A4500", "", 20, 94.6, 640.0, "rtx-ampere"),
        ("RTX A4000", "", 16, 76.7, 448.0, "rtx-ampere"),
        ("RTX A2000", "", 12, 31.9, 288.0, "rtx-ampere"),
        ("RTX 5090", "", 32, 209.5, 1792.0, "geforce-50"),
        ("RTX 5080", "", 16, 112.6, 960.0, "geforce-50"),
        ("RTX 5070 Ti", "", 16, 87.9, 896.0, "geforce-50"),
        ("RTX 5070", "", 12, 61.7, 672.0, "geforce-50"),
        ("RTX 4090", "", 24, 165.2, 1008.0, "geforce-40"),
        ("RTX 4080", "", 16, 97.5, 717.0, "geforce-40"),
        ("RTX 4070 Ti", "", 12, 80.2, 504.0, "geforce-40"),
        ("RTX 3090 Ti", "", 24, 80.0, 1008.0, "geforce-30"),
        ("RTX 3090", "", 24, 71.0, 936.0, "geforce-30"),
        ("RTX 3080 Ti", "", 12, 68.2, 912.0, "geforce-30"),
        ("RTX 3080", "", 10, 59.5, 760.0, "geforce-30"),
        ("RTX 3070", "", 8, 40.6, 448.0, "geforce-30"),
        ("RTX 2080 Ti", "", 11, 53.8, 616.0, "turing"),
        ("RTX 2080", "", 8, 40.3, 448.0, "turing"),
        ("RTX 2070", "", 8, 29.9, 448.0, "turing"),
        ("Titan RTX", "", 24, 130.5, 672.0, "turing"),
        ("Quadro RTX 8000", "", 48, 130.5, 672.0, "turing"),
        ("Quadro RTX 6000", "", 24, 130.5, 672.0, "turing"),
        ("Quadro RTX 5000", "", 16, 89.2, 448.0, "turing"),
        ("T4", "", 16, 65.0, 320.0, "turing"),
        ("V100", "SXM2", 16, 125.0, 900.0, "volta"),
        ("V100", "SXM2", 32, 125.0, 900.0, "volta"),
        ("V100", "PCIe", 16, 112.0, 900.0, "volta"),
        ("V100", "PCIe", 32, 112.0, 900.0, "volta"),
        ("V100S", "", 32, 130.0, 1134.0, "volta"),
        ("P100", "", 16, 18.7, 732.0, "pascal"),
        ("MI355X", "", 288, 2516.6, 8000.0, "cdna"),
        ("MI350X", "", 288, 2306.9, 8000.0, "cdna"),
        ("MI325X", "", 256, 1307.4, 6000.0, "cdna"),
        ("MI300X", "", 192, 1307.4, 5300.0, "cdna"),
        ("MI250X", "", 128, 383.0, 3277.0, "cdna"),
        ("MI250", "", 128, 362.1, 3277.0, "cdna"),
        ("MI210", "", 64, 181.0, 1638.0, "cdna"),
        ("MI100", "", 32, 184.6, 1229.0, "cdna"),
    )
)
