"""GPU names as everyone writes them, and the one name under which we compare them.

A canonical name says the chip and its market name ("H100", "RTX 4090", "RTX A6000"); how it is mounted (SXM5, PCIe,
NVL, OAM) and how much memory it has are facts beside it, so that a filter on A100 finds every A100.
A name that is not known passes through trimmed: it can be listed, filtered and rented, and has no performance figure.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from gpubroker.offers.gpu_figures import FIGURES, SOURCES, Figures

_MAX_NAME = 64

# Known models without a row of figures: (name, nominal VRAM in GB).
_UNRATED: tuple[tuple[str, int], ...] = (
    ("A800", 80),
    ("H800", 80),
    ("H20", 96),
    ("RTX PRO 5000", 48),
    ("RTX PRO 4500", 32),
    ("RTX PRO 4000", 24),
    ("RTX 4000 SFF Ada", 20),
    ("RTX 2000 Ada", 16),
    ("RTX 5060 Ti", 16),
    ("RTX 5060", 8),
    ("RTX 4080 SUPER", 16),
    ("RTX 4070 Ti SUPER", 16),
    ("RTX 4070 SUPER", 12),
    ("RTX 4070", 12),
    ("RTX 4060 Ti", 16),
    ("RTX 4060", 8),
    ("RTX 3070 Ti", 8),
    ("RTX 3060 Ti", 8),
    ("RTX 3060", 12),
    ("RTX 3050", 8),
    ("RTX 2080 SUPER", 8),
    ("RTX 2060", 6),
    ("GTX 1660 SUPER", 6),
    ("GTX 1660 Ti", 6),
    ("GTX 1660", 6),
    ("GTX 1650 SUPER", 4),
    ("GTX 1650", 4),
    ("GTX 1080 Ti", 11),
    ("GTX 1080", 8),
    ("GTX 1070", 8),
    ("GTX 1060", 6),
    ("GTX 1050 Ti", 4),
    ("Quadro RTX 4000", 8),
    ("Quadro M4000", 8),
    ("Quadro P4000", 8),
    ("Quadro P5000", 16),
    ("Quadro P6000", 24),
    ("Titan V", 12),
    ("P40", 24),
    ("P4", 8),
    ("K80", 12),
    ("M60", 8),
    ("V710", 28),
    ("MI25", 16),
)

# Other spellings, compacted: capitals without spaces, vendor and family words already gone.
_ALIASES: dict[str, str] = {
    "A4000": "RTX A4000",
    "A4500": "RTX A4500",
    "A5000": "RTX A5000",
    "A5500": "RTX A5500",
    "A6000": "RTX A6000",
    "A2000": "RTX A2000",
    "6000ADA": "RTX 6000 Ada",
    "5000ADA": "RTX 5000 Ada",
    "4000ADA": "RTX 4000 Ada",
    "RTX6000": "Quadro RTX 6000",
    "RTX8000": "Quadro RTX 8000",
    "RTX5000": "Quadro RTX 5000",
    "RTX4000": "Quadro RTX 4000",
    "QRTX8000": "Quadro RTX 8000",
    "QRTX6000": "Quadro RTX 6000",
    "QRTX5000": "Quadro RTX 5000",
    "QRTX4000": "Quadro RTX 4000",
    "RTX6000PRO": "RTX PRO 6000",
    "PRO6000": "RTX PRO 6000",
    "RTXPROA6000": "RTX PRO 6000",
    "RTXPRO6000S": "RTX PRO 6000",
    "RTX4070S": "RTX 4070 SUPER",
    "RTX4070STI": "RTX 4070 Ti SUPER",
    "RTX4080S": "RTX 4080 SUPER",
    "RTX2080S": "RTX 2080 SUPER",
    "GTX1660S": "GTX 1660 SUPER",
    "RTXTITAN": "Titan RTX",
    "M4000": "Quadro M4000",
    "P4000": "Quadro P4000",
    "P5000": "Quadro P5000",
    "P6000": "Quadro P6000",
    "PRO6000SE": "RTX PRO 6000",
    "PRO6000WE": "RTX PRO 6000",
    "1080TI": "GTX 1080 Ti",
    "5090": "RTX 5090",
    "5080": "RTX 5080",
    "4090": "RTX 4090",
    "4080": "RTX 4080",
    "3090": "RTX 3090",
    "3080": "RTX 3080",
}

_SXM_GENERATION = {
    "A100": "SXM4",
    "A800": "SXM4",
    "B200": "SXM6",
    "B300": "SXM6",
    "H100": "SXM5",
    "H200": "SXM5",
    "H800": "SXM5",
    "P100": "SXM2",
    "V100": "SXM2",
}

# A Quadro RTX 6000 has 24 GB, its two successors of almost the same name 48 and 96: the memory tells them apart.
_BY_VRAM = {("Quadro RTX 6000", 48): "RTX 6000 Ada", ("Quadro RTX 6000", 96): "RTX PRO 6000"}

_PUNCTUATION = re.compile(r"[-_/().,|]+")
_COUNT = re.compile(r"^\d+ ?X +")
_VRAM = re.compile(r"(?<![A-Z0-9.])(\d{1,3}) ?G(?:I?B)?\b")
_FORM = re.compile(r"\b(SXM ?\d?|PCIE? ?\d?|NVL\d{0,2}|NVLINK|OAM|HGX)\b")
_NOISE = re.compile(
    r"\b(NVIDIA|CORPORATION|GEFORCE|TESLA|QUADRO|AMD|INTEL|INSTINCT|RADEON|TENSOR|CORE|GPU|HBM\dE?|GDDR\dX?|"
    r"GENERATION|GEN|BLACKWELL|EDITION|WORKSTATION|SERVER|WE|SE|WS|CC|MAX|HIGH FREQ|COMPUTE MODE|MOD)\b"
)


class Identified(NamedTuple):
    """What a provider's name of a GPU says: canonical model, form and VRAM, the latter two None when not said."""

    model: str
    form: str | None
    vram_gb: int | None


class Performance(NamedTuple):
    """Of one GPU: dense FP16 TFLOPS with FP32 accumulation, memory bandwidth in GB/s, and the document that says so."""

    fp16_tflops: float
    bandwidth_gb_s: float
    source: str


def _compact(name: str) -> str:
    return name.upper().replace(" ", "")


_CANONICAL: dict[str, str] = {
    **{_compact(row.model): row.model for row in FIGURES},
    **{_compact(name): name for name, _ in _UNRATED},
    **_ALIASES,
}
_NOMINAL: dict[str, tuple[int, ...]] = {name: (vram,) for name, vram in _UNRATED}
_FIGURES_OF: dict[str, tuple[Figures, ...]] = {}
for _row in FIGURES:
    _FIGURES_OF[_row.model] = (*_FIGURES_OF.get(_row.model, ()), _row)
    _NOMINAL[_row.model] = tuple(sorted({*_NOMINAL.get(_row.model, ()), _row.vram_gb}))

MODELS: frozenset[str] = frozenset(_NOMINAL)
"""Every canonical name."""


@lru_cache(maxsize=8192)
def identify(name: str) -> Identified:
    """Read a GPU's name as any provider, catalogue or user writes it.

    >>> identify("H100 (80 GB SXM5)")
    Identified(model='H100', form='SXM5', vram_gb=80)
    """
    trimmed = " ".join(name.split())[:_MAX_NAME]
    text = _COUNT.sub("", " ".join(_PUNCTUATION.sub(" ", trimmed.upper()).split()))
    vram = _VRAM.search(text)
    text = _VRAM.sub(" ", text)
    form = _FORM.search(text)
    compact = _NOISE.sub(" ", _FORM.sub(" ", text)).replace(" ", "").removeprefix("GEFORCE")
    model = _CANONICAL.get(compact)
    vram_gb = int(vram.group(1)) if vram else None
    if model is None:
        return Identified(trimmed, _form_of(form.group(1), "") if form else None, vram_gb)
    model = _BY_VRAM.get((model, vram_gb or 0), model)
    return Identified(model, _form_of(form.group(1), model) if form else None, vram_gb)


def canonical(name: str) -> str:
    """The canonical model of any spelling; an unknown name comes back trimmed."""
    return identify(name).model


def describe(name: str, *, vram_gb: float | None = None, form: str | None = None) -> Identified:
    """`identify`, with what the provider says in fields of their own: they win over what the name says."""
    named = identify(name)
    model, said = named.model, vram_gb if vram_gb and vram_gb > 0 else named.vram_gb
    nominal = nominal_vram(model, said) if said else None
    model = _BY_VRAM.get((model, nominal or 0), model)
    return Identified(model, form_of(form, model) or named.form, nominal)


def form_of(text: str | None, model: str) -> str | None:
    """The form that a field of its own names ("pcie", "sxm5", "SXM"), for a canonical model; None for none."""
    found = _FORM.search(_PUNCTUATION.sub(" ", text.upper())) if text else None
    return _form_of(found.group(1), model) if found else None


def _form_of(word: str, model: str) -> str:
    word = word.replace(" ", "")
    if word.startswith("SXM"):
        # "SXM" alone is the one that this chip was made for; a number that is given is believed.
        return word if word[3:] else _SXM_GENERATION.get(model, "SXM")
    if word == "HGX":
        return _SXM_GENERATION.get(model, "SXM")
    if word.startswith("PCI"):
        return "PCIe"
    if word == "NVLINK":
        return "NVLink"
    return "NVL" if word.startswith("NVL") else word


def nominal_vram(model: str, said_gb: float) -> int:
    """The VRAM under which this model is sold, when what is said is within 6 % of it; else what is said, rounded.

    Drivers report a little less than the label (81,559 MiB is an "80 GB" H100); a filter for 80 GB must find it.
    """
    for nominal in _NOMINAL.get(model, ()):
        if abs(said_gb - nominal) <= 0.06 * nominal:
            return nominal
    return round(said_gb)


def sold_with(model: str) -> int | None:
    """The VRAM of a model that is made with one size of it only; None for others and for unknown ones."""
    sizes = _NOMINAL.get(model, ())
    return sizes[0] if len(sizes) == 1 else None


@lru_cache(maxsize=4096)
def vram_of_one(model: str, said_gb: float | None, gpus: int) -> float | None:
    """GB of one GPU, of a figure that may be one's or the sum over all: whichever this model is sold with, else of one.

    None where nothing is said. What is neither (a slice of a GPU) is believed as it is.
    """
    if not said_gb or said_gb <= 0:
        return None
    for each in (said_gb, said_gb / gpus):
        if nominal_vram(model, each) in _NOMINAL.get(model, ()):
            return each
    return said_gb


@lru_cache(maxsize=1024)
def performance(model: str, form: str | None = None, vram_gb: int | None = None) -> Performance | None:
    """Peak figures of one GPU of this canonical model; None when the table does not have it.

    Where the form or the memory is not said, the slowest variant that it may be: a promise that every variant keeps.
    """
    rows = _FIGURES_OF.get(model, ())
    rows = tuple(row for row in rows if row.form in ("", form)) or rows
    rows = tuple(row for row in rows if row.vram_gb == vram_gb) or rows
    if not rows:
        return None
    slowest = min(rows, key=lambda row: (row.fp16_tflops, row.bandwidth_gb_s))
    return Performance(slowest.fp16_tflops, slowest.bandwidth_gb_s, SOURCES[slowest.source])
