"""What `auto` tries, in which order, on which engine."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import ALL, DEEPSEEK_V3, GPT_OSS_120B, LLAMA_31_8B, QWEN3_30B_A3B, gpu, host

from whichweights.planning.choices import (
    GGUF_LADDER,
    Run,
    candidate_runs,
    choose_engine,
    is_data_centre,
    is_gguf,
    native_format,
    run_status,
    run_support,
)
from whichweights.planning.formats import Status, decode_tag
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec

ENGINES: tuple[Engine, ...] = get_args(Engine)


def nvidia(name: str, capability: str = "8.9") -> Accelerator:
    return gpu(24, name).model_copy(update={"compute_capability": capability})


CARD = nvidia("GeForce RTX 4090")
H100 = nvidia("H100 SXM5 80GB", "9.0")
RADEON = Accelerator(name="Radeon RX 7900 XTX", vendor="AMD", gfx="gfx1100", total_bytes=2**34)
INSTINCT = Accelerator(name="Instinct MI300X", vendor="AMD", gfx="gfx942", total_bytes=2**37)
APPLE = Accelerator(name="Apple M3 Max", kind="apple", vendor="Apple", total_bytes=2**36)


@pytest.mark.parametrize(
    "name",
    [
        "A100 SXM4 80GB", "NVIDIA A100-SXM4-80GB", "H100 PCIe 80GB", "NVIDIA H100 80GB HBM3",
        "L40S", "NVIDIA L4", "A10G", "A40", "Tesla V100-SXM2-16GB", "Tesla T4", "GH200 96GB",
        "GB200 (one GPU)", "Instinct MI300X", "AMD Instinct MI250X", "H20",
        "B200", "A16 (one of four GPUs)",
    ],
)  # fmt: skip
def test_data_centre_devices_are_known_by_name(name: str):
    assert is_data_centre(Accelerator(name=name))


@pytest.mark.parametrize(
    "name",
    [
        "GeForce RTX 4090", "RTX A4000", "RTX A6000", "RTX A2000 12GB", "RTX 6000 Ada", "TITAN RTX",
        "Radeon RX 7900 XTX", "Apple M3 Max", "DGX Spark / GB10", "GeForce GTX 1080", "Arc A770",
        "RTX PRO 6000 Blackwell Workstation", "24GiB", "system memory", "RTX A1000", "T400",
    ],
)  # fmt: skip
def test_workstation_and_consumer_devices_are_not(name: str):
    assert not is_data_centre(Accelerator(name=name))


@pytest.mark.parametrize(
    ("quantization", "devices", "engine"),
    [
        ("Q4_K_M", [CARD], "llama.cpp"),
        ("Q4_K_M", [H100], "llama.cpp"),
        ("BF16", [], "llama.cpp"),
        ("BF16", [host(64)], "llama.cpp"),
        ("BF16", [CARD], "llama.cpp"),
        ("BF16", [CARD, CARD], "vllm"),
        ("BF16", [H100], "vllm"),
        ("AWQ-Int4", [CARD], "vllm"),
        ("FP8", [H100], "vllm"),
        ("BF16", [RADEON], "llama.cpp"),
        ("BF16", [RADEON, RADEON], "llama.cpp"),
        ("BF16", [INSTINCT], "vllm"),
        ("BF16", [APPLE], "llama.cpp"),
        ("MLX-4bit", [APPLE], "mlx"),
    ],
)
def test_the_engine_follows_the_format_and_the_device(
    quantization: str, devices: list[Accelerator], engine: str
):
    assert choose_engine(quantization, "inference", devices).engine == engine


def test_training_runs_on_transformers():
    assert choose_engine("BF16", "lora", [H100]).engine == "transformers"


def runs(spec: ModelSpec, *devices: Accelerator, engine: Engine | None = None) -> list[Run]:
    found = candidate_runs(
        spec, quantization="auto", engine=engine, workload="inference", devices=devices
    )
    return list(found)


def names(found: list[Run]) -> list[str]:
    return [run.quantization for run in found]


def test_auto_tries_the_native_format_first_and_ends_with_q4_k_m_on_a_card():
    assert names(runs(LLAMA_31_8B, CARD)) == ["BF16", *GGUF_LADDER]
    assert GGUF_LADDER[-1] == "Q4_K_M"


def test_auto_on_a_data_centre_device_tries_safetensors_before_gguf():
    assert names(runs(LLAMA_31_8B, H100)) == ["BF16", "FP8", "AWQ-Int4", *GGUF_LADDER]
    assert names(runs(DEEPSEEK_V3, H100))[:2] == ["FP8-block", "AWQ-Int4"]


def test_auto_never_tries_more_bits_than_the_native_format_has():
    for found in (runs(GPT_OSS_120B, CARD), runs(DEEPSEEK_V3, CARD), runs(GPT_OSS_120B, H100)):
        bits = [decode_tag(name).nominal_bits for name in names(found)]
        assert max(bits) == bits[0]


def test_an_asked_engine_has_the_formats_of_its_own():
    assert names(runs(LLAMA_31_8B, APPLE, engine="mlx"))[1:] == ["MLX-8bit", "MLX-6bit", "MLX-4bit"]
    assert names(runs(LLAMA_31_8B, CARD, engine="vllm"))[1:] == ["FP8", "AWQ-Int4"]
    assert {run.why for run in runs(LLAMA_31_8B, CARD, engine="vllm")} == {"as asked"}


def test_formats_the_device_cannot_run_are_not_tried():
    old = nvidia("GeForce GTX 1080", "6.1")
    assert "FP8" not in names(runs(LLAMA_31_8B, old, old))


@given(
    st.sampled_from(ALL),
    st.sampled_from([None, *ENGINES]),
    st.sampled_from([(), (CARD,), (H100, H100), (APPLE,), (RADEON,), (INSTINCT,), (host(32),)]),
)
def test_something_is_always_tried_and_each_once(
    spec: ModelSpec, engine: Engine | None, devices: tuple[Accelerator, ...]
):
    found = runs(spec, *devices, engine=engine)
    assert found
    assert len(set(names(found))) == len(found)
    if engine is not None:
        assert {run.engine for run in found} == {engine}


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [("native", "BF16"), ("q8_0", "Q8_0"), ("awq", "AWQ-Int4"), ("fp16", "F16")],
)
def test_an_asked_format_is_the_only_one(quantization: str, expected: str):
    found = candidate_runs(
        QWEN3_30B_A3B,
        quantization=quantization,
        engine=None,
        workload="inference",
        devices=(CARD,),
    )
    assert names(list(found)) == [expected]


def test_the_native_format_of_an_unknown_model_is_16_bit():
    assert native_format(LLAMA_31_8B.model_copy(update={"native": None})) == "BF16"


def test_gguf_types_are_told_from_formats_of_both_worlds():
    assert is_gguf("Q4_K_M")
    assert is_gguf("IQ2_XXS")
    assert not is_gguf("BF16")
    assert not is_gguf("AWQ-Int4")
    assert not is_gguf("MXFP4")


def test_the_worst_device_decides_what_runs():
    fp8 = Run("FP8", "vllm", "")
    old = nvidia("GeForce GTX 1080", "6.1")
    assert run_status(fp8, [H100]) is Status.YES
    assert run_status(fp8, [H100, old]) is Status.NO
    assert run_support(fp8, [old])[1]


def test_a_device_of_unknown_kind_is_never_a_no():
    status, reason = run_support(Run("FP8", "vllm", ""), [Accelerator(name="24GiB")])
    assert status is Status.UNKNOWN
    assert "24GiB" in reason


def test_without_devices_nothing_stands_against_a_run():
    assert run_status(Run("Q4_K_M", "llama.cpp", ""), []) is Status.YES
