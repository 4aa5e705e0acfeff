"""Names of GPUs as the providers write them, and the figures behind the canonical ones."""

import pytest

from gpubroker.offers.gpu_figures import FIGURES, SOURCES
from gpubroker.offers.gpus import MODELS, canonical, describe, form_of, identify, nominal_vram, performance


@pytest.mark.parametrize(
    ("written", "model", "form", "vram"),
    [
        # vast.ai
        ("RTX 4090", "RTX 4090", None, None),
        ("RTX 6000Ada", "RTX 6000 Ada", None, None),
        ("RTX 4070S Ti", "RTX 4070 Ti SUPER", None, None),
        ("Q RTX 8000", "Quadro RTX 8000", None, None),
        ("A100 PCIE", "A100", "PCIe", None),
        ("H100 SXM", "H100", "SXM5", None),
        ("H100 NVL", "H100", "NVL", None),
        ("Tesla V100", "V100", None, None),
        ("RTX PRO 6000 WS", "RTX PRO 6000", None, None),
        # RunPod
        ("NVIDIA GeForce RTX 4090", "RTX 4090", None, None),
        ("NVIDIA H100 80GB HBM3", "H100", None, 80),
        ("NVIDIA A100-SXM4-80GB", "A100", "SXM4", 80),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", None, None),
        ("AMD Instinct MI300X OAM", "MI300X", "OAM", None),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", None, None),
        # Lambda Cloud
        ("H100 (80 GB SXM5)", "H100", "SXM5", 80),
        ("8x A100 (40 GB SXM4)", "A100", "SXM4", 40),
        ("RTX 6000 (24 GB)", "Quadro RTX 6000", None, 24),
        # Shadeform, Prime Intellect, Verda, Hyperstack
        ("A6000", "RTX A6000", None, None),
        ("H100_80GB", "H100", None, 80),
        ("1x H100 SXM5 80GB", "H100", "SXM5", 80),
        ("H100-80G-PCIe", "H100", "PCIe", 80),
        ("RTX-PRO6000-SE", "RTX PRO 6000", None, None),
        # what must not be taken for something else
        ("A10G", "A10G", None, None),
        ("GB200", "GB200", None, None),
        ("a100", "A100", None, None),
        ("h100-sxm", "H100", "SXM5", None),
        ("HGX B200", "B200", "SXM6", None),
    ],
)
def test_every_spelling_leads_to_one_name(written: str, model: str, form: str | None, vram: int | None) -> None:
    assert identify(written) == (model, form, vram)


@pytest.mark.parametrize("name", ["Moonshot X9", "RTX 9090", "N/A", "", "Ascend 910B", "H1000"])
def test_an_unknown_name_passes_through_trimmed_and_has_no_figures(name: str) -> None:
    assert canonical(f"  {name}   ") == name
    assert name not in MODELS
    assert performance(name) is None


def test_a_name_of_absurd_length_is_cut() -> None:
    assert len(canonical("x" * 10_000)) == 64


def test_a_canonical_name_is_its_own_canonical_name() -> None:
    assert {model: canonical(model) for model in MODELS} == {model: model for model in MODELS}


@pytest.mark.parametrize(
    ("model", "said", "nominal"),
    [("RTX 4090", 24564 / 1024, 24), ("H100", 81559 / 1024, 80), ("H100", 95830 / 1024, 94),
     ("H200", 143771 / 1024, 141),
     ("A100", 40960 / 1024, 40), ("RTX 4090", 48.0, 48), ("Moonshot X9", 19.5, 20)],
)  # fmt: skip
def test_vram_is_what_the_card_is_sold_as_when_the_driver_says_a_little_less(
    model: str, said: float, nominal: int
) -> None:
    assert nominal_vram(model, said) == nominal


def test_the_memory_tells_three_cards_of_almost_one_name_apart() -> None:
    assert [describe("RTX 6000", vram_gb=gb).model for gb in (24, 48, 96)] == [
        "Quadro RTX 6000",
        "RTX 6000 Ada",
        "RTX PRO 6000",
    ]


def test_fields_of_their_own_win_over_the_name() -> None:
    assert describe("A100 PCIe 40GB", vram_gb=80, form="sxm4") == ("A100", "SXM4", 80)
    assert describe("A100 PCIe 40GB") == ("A100", "PCIe", 40)
    assert describe("A100", vram_gb=0, form="ethernet") == ("A100", None, None)


@pytest.mark.parametrize(
    ("field", "model", "form"),
    [("pcie", "H100", "PCIe"), ("sxm", "A100", "SXM4"), ("SXM", "V100", "SXM2"), ("nvlink", "A100", "NVLink"),
     ("", "A100", None), (None, "A100", None)],
)  # fmt: skip
def test_forms_by_a_field_of_their_own(field: str | None, model: str, form: str | None) -> None:
    assert form_of(field, model) == form


def test_figures_are_of_the_variant_and_of_the_slowest_where_it_is_not_said() -> None:
    sxm, nvl, pcie = (performance("H100", form) for form in ("SXM5", "NVL", "PCIe"))
    assert sxm is not None
    assert nvl is not None
    assert pcie is not None
    assert sxm.fp16_tflops > nvl.fp16_tflops > pcie.fp16_tflops
    assert performance("H100") == pcie
    assert performance("A100", "SXM4", 40) != performance("A100", "SXM4", 80)
    assert performance("H100", "SXM5", 8000) == sxm  # a size nobody sells: the variant still says it


def test_every_row_of_figures_has_a_source_and_is_possible() -> None:
    for row in FIGURES:
        assert SOURCES[row.source]
        assert 10 < row.fp16_tflops < 3000
        assert 150 < row.bandwidth_gb_s < 10_000
        assert 8 <= row.vram_gb <= 300
    assert len({row[:3] for row in FIGURES}) == len(FIGURES)


def test_the_figures_put_the_generations_in_order() -> None:
    flagship = [
        performance(model, form)
        for model, form in (("B200", None), ("H100", "SXM5"), ("A100", "SXM4"), ("V100", "SXM2"))
    ]
    speeds = [one.fp16_tflops for one in flagship if one]
    assert speeds == sorted(speeds, reverse=True)
    assert len(speeds) == 4
