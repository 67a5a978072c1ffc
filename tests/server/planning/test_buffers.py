"""Compute buffers against printed ones, and how they move with their switches."""

from __future__ import annotations

from math import isclose

import pytest
from specs import (
    DEEPSEEK_V3,
    GIB,
    LLAMA_2_7B,
    LLAMA_31_8B,
    MIB,
    QWEN3_8B,
    QWEN3_30B_A3B,
    QWEN25_7B,
    SIZE_ONLY,
    deployment,
    gpu,
)

from whichweights.planning._settings import resolve_settings
from whichweights.planning.buffers import BufferPart, buffer_facts, engine_buffers
from whichweights.planning.engine_versions import (
    LLAMA_CPP_FEW_OUTPUTS,
    LLAMA_CPP_MLA,
    LLAMA_CPP_WINDOWS,
    before,
    before_build,
    is_fork,
    parse_version,
)
from whichweights.planning.inference import plan_inference
from whichweights_schemas.deployment import Engine, EngineOptions
from whichweights_schemas.models import ModelSpec


def buffers(
    spec: ModelSpec, engine: Engine, context: int, *, experts: bool = False, **options: object
) -> dict[str, BufferPart]:
    where = deployment(
        engine,
        "BF16",
        context,
        gpu(80),
        kv="f16",
        options=EngineOptions.model_validate(options),
    )
    settings, _ = resolve_settings(where)
    parts = engine_buffers(
        buffer_facts(spec),
        settings,
        cache_bytes=0,
        weight_bytes=GIB,
        expert_layer_bytes=GIB if experts else 0,
    )
    return {part.name: part for part in parts}


@pytest.mark.parametrize(
    ("spec", "context", "mib"), [(LLAMA_31_8B, 8192, 560.0), (LLAMA_2_7B, 2048, 164.0)]
)
def test_llama_cpp_without_flash_attention_matches_printed_buffers(
    spec: ModelSpec, context: int, mib: float
):
    found = buffers(spec, "llama.cpp", context, flash_attention=False, engine_version="b4000")
    assert isclose(found["compute buffer"].bytes / MIB, mib, rel_tol=1e-4)


@pytest.mark.parametrize(("context", "mib"), [(4096, 136.0), (16_384, 148.09)])
def test_llama_cpp_of_late_2026_matches_printed_buffers(context: int, mib: float):
    found = buffers(QWEN25_7B, "llama.cpp", context)["compute buffer"]
    assert isclose(found.bytes / MIB, mib, rel_tol=0.006)


def test_older_llama_cpp_builds_reserve_logits_for_the_whole_micro_batch():
    old = buffers(QWEN25_7B, "llama.cpp", 4096, engine_version="b7000")["compute buffer"]
    assert old.bytes == 4 * 512 * (152_064 + 3584)
    unsaid = buffers(QWEN25_7B, "llama.cpp", 4096)["compute buffer"]
    assert unsaid.low < unsaid.bytes < old.bytes <= unsaid.high


def test_a_larger_micro_batch_takes_more_and_never_more_than_the_context():
    small = buffers(LLAMA_31_8B, "llama.cpp", 8192, ubatch_tokens=128)["compute buffer"]
    large = buffers(LLAMA_31_8B, "llama.cpp", 8192, ubatch_tokens=2048)["compute buffer"]
    capped = buffers(LLAMA_31_8B, "llama.cpp", 256, ubatch_tokens=2048)["compute buffer"]
    assert small.bytes < large.bytes
    assert capped.bytes < large.bytes


def test_experts_in_system_memory_and_mla_widen_the_band():
    plain = buffers(QWEN3_30B_A3B, "llama.cpp", 8192)["compute buffer"]
    found = buffers(QWEN3_30B_A3B, "llama.cpp", 8192, experts=True)
    moved, copies = found["compute buffer"], found["expert copies"]
    assert copies.low == 0 < copies.bytes < copies.high
    assert moved == plain
    mla = buffers(DEEPSEEK_V3, "llama.cpp", 8192)["compute buffer"]
    assert mla.basis == "assumed"
    assert mla.high > 2 * mla.low


def test_absorbed_mla_matches_the_one_printed_mainline_buffer():
    found = buffers(
        DEEPSEEK_V3,
        "llama.cpp",
        16_384,
        engine_version="b5331",
        flash_attention=True,
        ubatch_tokens=1024,
    )["compute buffer"]
    assert isclose(found.on(with_head=False)[0] / MIB, 788, rel_tol=0.001)


@pytest.mark.parametrize(("context", "mib"), [(32_768, 3393), (65_536, 6081), (131_072, 11_718)])
def test_the_fork_writes_out_keys_and_values_of_the_whole_context(context: int, mib: float):
    found = buffers(
        DEEPSEEK_V3, "llama.cpp", context, engine_version="ik_llama.cpp 3712", flash_attention=True
    )["compute buffer"]
    assert isclose(found.bytes / MIB, mib, rel_tol=0.06)


def test_without_flash_attention_ollama_looks_at_the_cells_of_all_sequences():
    def held(engine: Engine, **options: object) -> int:
        where = deployment(
            engine,
            "Q4_K_M",
            2048,
            gpu(24),
            sequences=4,
            options=EngineOptions(flash_attention=False).model_copy(update=options),
        )
        settings, _ = resolve_settings(where)
        parts = engine_buffers(buffer_facts(LLAMA_31_8B), settings, cache_bytes=0, weight_bytes=GIB)
        return parts[0].bytes

    assert isclose(held("ollama") / MIB, 560.0, rel_tol=0.005)
    assert isclose(held("llama.cpp", engine_version="b4000") / MIB, 560.0, rel_tol=1e-4)
    assert held("llama.cpp", engine_version="b7000") < held("ollama")


def test_vllm_0_6_runs_a_whole_prompt_at_once():
    def peak(context: int) -> float:
        found = buffers(LLAMA_31_8B, "vllm", context, engine_version="0.6.4")
        return found["activation peak"].bytes / MIB

    assert isclose(peak(20_000), 2119.7, rel_tol=0.01)
    assert isclose(peak(29_000), 3061.8, rel_tol=0.01)
    assert peak(131_072) < peak(20_000)


def test_mlx_holds_the_logits_of_one_chunk():
    short = buffers(QWEN3_30B_A3B, "mlx", 2048)["activations"]
    assert buffers(QWEN3_30B_A3B, "mlx", 32_768)["activations"] == short
    assert short.bytes > 2 * 151_936 * 2048


def test_vllm_activation_falls_with_release_0_17():
    old = buffers(LLAMA_31_8B, "vllm", 8192, engine_version="0.16.0")["activation peak"]
    new = buffers(LLAMA_31_8B, "vllm", 8192, engine_version="0.17.0")["activation peak"]
    assert isclose(old.bytes / GIB, 4.76, rel_tol=0.02)
    assert isclose(new.bytes / GIB, 1.89, rel_tol=0.09)


def test_vllm_before_release_0_11_is_assumed_with_a_wide_band():
    early = buffers(LLAMA_31_8B, "vllm", 8192, engine_version="0.6.4")["activation peak"]
    assert early.basis == "assumed"
    assert early.high > 5 * early.low


def test_old_transformers_hold_the_logits_of_the_whole_prompt():
    def held(version: str) -> int:
        found = buffers(QWEN25_7B, "transformers", 8192, prompt_tokens=6144, engine_version=version)
        return found["activations"].bytes

    assert held("4.38.2") == 6 * 152_064 * 6144 + 2**29
    assert held("4.46.0") == 2 * 6144 * (3 * 18_944 + 4 * 3584) + 32 * 2**20


def test_eager_attention_builds_the_score_matrix_and_flash_attention_does_not():
    eager = buffers(LLAMA_31_8B, "transformers", 32_768, flash_attention=False)["activations"]
    fused = buffers(LLAMA_31_8B, "transformers", 32_768)["activations"]
    assert eager.bytes - fused.bytes == pytest.approx(6 * 32 * 32_768**2, rel=0.02)


@pytest.mark.parametrize("engine", ["sglang", "mlx"])
def test_engines_without_a_fit_say_assumed_and_give_a_wide_band(engine: Engine):
    found = buffers(LLAMA_31_8B, engine, 8192)["activations"]
    assert found.basis == "assumed"
    assert found.high > 5 * found.low > 0


def test_a_model_of_unknown_shape_gets_widths_of_its_size():
    facts = buffer_facts(SIZE_ONLY)
    assert facts.guessed
    assert 4096 < facts.hidden < 6144
    assert buffers(SIZE_ONLY, "llama.cpp", 8192)["compute buffer"].basis == "assumed"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("b5200", (5200,)),
        ("0.19.0", (0, 19, 0)),
        ("v0.11.0rc1", (0, 11, 0)),
        ("V0 ~0.6.6", (0, 6, 6)),
        ("4.51.3", (4, 51, 3)),
        ("ik_llama.cpp 3712", (3712,)),
        ("main", None),
        ("", None),
        (None, None),
    ],
)
def test_versions_are_read_as_the_engines_write_them(
    text: str | None, version: tuple[int, ...] | None
):
    assert parse_version(text) == version


def test_no_version_counts_as_a_current_one():
    assert not before(None, (9999,))
    assert before("b1", (2,))
    assert not before("b2", (2,))


def test_the_fork_is_known_by_its_name_and_lacks_what_came_to_mainline_alone():
    assert is_fork("ik_llama.cpp 3712")
    assert not is_fork("b3712")
    assert not before_build("llama.cpp", "ik_llama.cpp 3712", LLAMA_CPP_MLA)
    assert before_build("llama.cpp", "ik_llama.cpp", LLAMA_CPP_FEW_OUTPUTS)


def test_an_ollama_release_is_placed_by_its_date():
    assert before_build("ollama", "0.5.7", LLAMA_CPP_WINDOWS)
    assert not before_build("ollama", "0.12.3", LLAMA_CPP_WINDOWS)
    assert before_build("ollama", "0.12.3", LLAMA_CPP_FEW_OUTPUTS)
    assert not before_build("ollama", "0.40.0", LLAMA_CPP_FEW_OUTPUTS)
    assert before_build("llama.cpp", "b5000", LLAMA_CPP_WINDOWS)


@pytest.mark.parametrize(
    ("spec", "prompt", "sequences", "measured_mib"),
    [
        (LLAMA_31_8B, 8_000, 1, 17_281.0),
        (LLAMA_31_8B, 2_000, 4, 17_281.0),
        (LLAMA_31_8B, 30_000, 1, 22_514.0),
        (QWEN3_8B, 30_000, 1, 22_945.0),
        (QWEN3_30B_A3B, 8_000, 1, 60_152.0),
    ],
)
def test_the_prefill_of_transformers_5_is_what_one_h100_measured(
    spec: ModelSpec, prompt: int, sequences: int, measured_mib: float
):
    """Peaks of the allocator with transformers 5.17.0 and torch 2.11, 2026-11-27; the few tokens
    generated after the prompt are left out."""
    options = EngineOptions(engine_version="5.17.0", prompt_tokens=prompt)
    plan = plan_inference(
        spec,
        deployment("transformers", "BF16", prompt, sequences=sequences, kv="bf16", options=options),
    )
    peak = plan.total - plan.group_bytes("runtime")

    assert peak / 2**20 == pytest.approx(measured_mib, rel=0.005)
