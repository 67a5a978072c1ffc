from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import (
    ENGINES,
    AcceleratorTraits,
    Status,
    known_formats,
    supports,
)
from whichweights_schemas.errors import InvalidArgument, UnknownQuantization


def nvidia(major: int, minor: int) -> AcceleratorTraits:
    return AcceleratorTraits("NVIDIA", compute_capability=(major, minor))


V100, T4, A100, ADA, H100 = nvidia(7, 0), nvidia(7, 5), nvidia(8, 0), nvidia(8, 9), nvidia(9, 0)
B200, RTX_5090, PASCAL, MAXWELL = nvidia(10, 0), nvidia(12, 0), nvidia(6, 1), nvidia(5, 2)
MI300X = AcceleratorTraits("AMD", gfx="gfx942")
RX_7900 = AcceleratorTraits("AMD", gfx="gfx1100")
ARC = AcceleratorTraits("Intel")
MAC = AcceleratorTraits("Apple", kind="apple")
X86 = AcceleratorTraits("x86", kind="cpu")
ARM = AcceleratorTraits("arm", kind="cpu")
DEVICES = [V100, T4, A100, ADA, H100, B200, RTX_5090, PASCAL, MAXWELL, MI300X, RX_7900, ARC, MAC,
           X86, ARM, AcceleratorTraits("NVIDIA"), AcceleratorTraits("Huawei")]  # fmt: skip

YES, NO, PARTIAL, UNKNOWN = Status.YES, Status.NO, Status.PARTIAL, Status.UNKNOWN

CASES: list[tuple[str, str, AcceleratorTraits, Status]] = [
    # vLLM's table
    ("vllm", "awq", V100, NO), ("vllm", "awq", T4, YES), ("vllm", "awq", MI300X, NO),
    ("vllm", "awq", ARC, YES), ("vllm", "awq", X86, YES), ("vllm", "gptq", V100, YES),
    ("vllm", "w8a8-int8", V100, NO), ("vllm", "w8a8-int8", T4, YES),
    ("vllm", "w8a8-int8", ARM, YES),
    ("vllm", "fp8", T4, PARTIAL), ("vllm", "fp8", A100, PARTIAL), ("vllm", "fp8", ADA, YES),
    ("vllm", "fp8", V100, NO), ("vllm", "fp8", MI300X, YES), ("vllm", "fp8", RTX_5090, YES),
    ("vllm", "nf4", V100, PARTIAL), ("vllm", "nf4", MI300X, NO),
    ("vllm", "q4_k_m", MI300X, PARTIAL),
    ("vllm", "q4_k_m", X86, NO), ("vllm", "nvfp4", H100, PARTIAL), ("vllm", "nvfp4", B200, YES),
    ("vllm", "mxfp4", T4, NO), ("vllm", "mxfp4", H100, PARTIAL), ("vllm", "mxfp4", RTX_5090, YES),
    ("vllm", "bf16", T4, PARTIAL), ("vllm", "f16", T4, YES), ("vllm", "bf16", PASCAL, NO),
    ("vllm", "bf16", MAC, NO), ("vllm", "w4a16", T4, PARTIAL), ("vllm", "w4a16", A100, YES),
    # SGLang's table
    ("sglang", "q4_k_m", H100, YES), ("sglang", "q4_k_m", MI300X, NO),
    ("sglang", "q4_k_m", X86, NO),
    ("sglang", "nvfp4", H100, NO), ("sglang", "nvfp4", B200, YES),
    ("sglang", "nvfp4", MI300X, PARTIAL),
    ("sglang", "mxfp4", MI300X, YES), ("sglang", "mxfp4", RX_7900, UNKNOWN),
    ("sglang", "torchao-int4", MI300X, NO), ("sglang", "nf4", MI300X, PARTIAL),
    # llama.cpp and ollama
    ("llama.cpp", "q4_k_m", MAC, YES), ("ollama", "iq2_xxs", RX_7900, YES),
    ("llama.cpp", "tq2_0", H100, PARTIAL), ("llama.cpp", "tq2_0", X86, YES),
    ("llama.cpp", "awq", H100, NO), ("llama.cpp", "q4_k_m", MAXWELL, NO),
    ("ollama", "bf16", X86, YES),
    # mlx
    ("mlx", "mlx-4bit", MAC, YES), ("mlx", "mlx-4bit", RX_7900, NO), ("mlx", "q4_k_m", MAC, NO),
    ("mlx", "bf16", MAC, YES), ("mlx", "mlx-4bit", H100, UNKNOWN), ("vllm", "mlx-4bit", MAC, NO),
    # transformers
    ("transformers", "nf4", A100, YES), ("transformers", "nf4", MAC, NO),
    ("transformers", "gptq", RX_7900, YES), ("transformers", "q4_k_m", A100, PARTIAL),
    ("transformers", "fp8", A100, NO), ("transformers", "fp8", ADA, YES),
    ("transformers", "bf16", T4, PARTIAL), ("transformers", "bf16", MAC, YES),
    # formats of one engine
    ("vllm", "exl2-4.0bpw", H100, NO), ("llama.cpp", "exl3-4.0bpw", H100, NO),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "name", "device", "status"), CASES)
def test_an_engine_answers_as_its_documentation_says(
    engine: str, name: str, device: AcceleratorTraits, status: Status
) -> None:
    assert supports(engine, name, device).status is status


@given(
    engine=st.sampled_from(ENGINES),
    name=st.sampled_from(known_formats()),
    device=st.sampled_from(DEVICES),
)
def test_every_question_gets_a_reason_a_source_and_a_date(
    engine: str, name: str, device: AcceleratorTraits
) -> None:
    answer = supports(engine, name, device)
    assert answer.source
    assert answer.date
    if answer.status is NO:
        helps = ("take", "use", "needs", "would help", "runs", "llama.cpp")
        assert any(word in answer.reason for word in helps)
    assert len(answer.reason) > 10


@given(name=st.sampled_from(known_formats()), engine=st.sampled_from(ENGINES))
def test_a_newer_nvidia_device_never_runs_less(name: str, engine: str) -> None:
    rank = {NO: 0, UNKNOWN: 0, PARTIAL: 1, YES: 2}
    ranks = [rank[supports(engine, name, device).status] for device in (V100, T4, A100, ADA, H100)]
    ranks.append(rank[supports(engine, name, B200).status])
    assert ranks == sorted(ranks)


def test_blackwell_is_said_to_be_treated_as_hopper() -> None:
    assert "treated as Hopper" in supports("vllm", "fp8", B200).reason


def test_an_nvidia_device_of_unknown_capability_is_unknown() -> None:
    assert supports("vllm", "fp8", AcceleratorTraits("NVIDIA")).status is UNKNOWN


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument) as caught:
        supports("tgi", "fp8", H100)
    assert caught.value.suggestions == ENGINES


def test_a_removed_type_is_refused_with_its_successor() -> None:
    with pytest.raises(UnknownQuantization) as caught:
        supports("llama.cpp", "Q4_0_4_8", ARM)
    assert caught.value.suggestions == ("Q4_0",)
