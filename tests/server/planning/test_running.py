"""One way to run a model, chosen and planned."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import ALL, LLAMA_31_8B, QWEN3_32B, SIZE_ONLY, gpu, host

from whichweights.planning.running import (
    DEFAULT_CONTEXT_TOKENS,
    RunRequest,
    choose_run,
    default_context,
    deployment_of,
    plan_run,
    planned_runs,
    runs_for,
    with_options,
)
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import EngineOptions
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec


def request(*devices: Accelerator, memory: Accelerator | None = None, **more: object) -> RunRequest:
    return RunRequest(accelerators=devices, memory=memory, **more)  # pyright: ignore[reportArgumentType]  # checked at run time


def h100() -> Accelerator:
    card = gpu(79.19, "H100 SXM5 80GB", "HBM3")
    return card.model_copy(update={"compute_capability": "9.0"})


def test_the_default_context_is_8192_or_the_window():
    assert default_context(LLAMA_31_8B, None) == DEFAULT_CONTEXT_TOKENS == 8192
    assert default_context(LLAMA_31_8B.model_copy(update={"max_context_tokens": 512}), None) == 512
    assert (
        default_context(LLAMA_31_8B.model_copy(update={"max_context_tokens": None}), None) == 8192
    )
    assert default_context(LLAMA_31_8B, 3) == 3


def test_what_fits_natively_stays_native():
    chosen = choose_run(LLAMA_31_8B, request(gpu(24)))
    assert chosen.chosen.run.quantization == "BF16"
    assert chosen.native is None
    assert len(chosen.tried) == 1


def test_what_does_not_fit_takes_the_best_format_that_does():
    chosen = choose_run(QWEN3_32B, request(gpu(32)))
    assert chosen.chosen.run.quantization == "Q6_K"
    assert chosen.chosen.plan.verdict == "fits"
    assert chosen.native is not None
    assert chosen.native.run.quantization == "BF16"


def test_what_fits_in_no_format_is_answered_with_the_smallest():
    chosen = choose_run(QWEN3_32B, request(gpu(8)))
    assert chosen.chosen.run.quantization == "Q4_K_M"
    assert chosen.chosen.plan.verdict == "does_not_fit"


@settings(max_examples=60)
@given(st.sampled_from(ALL), st.floats(2, 200), st.sampled_from([None, 32.0]))
def test_the_chosen_run_is_the_first_that_fits_else_the_first_tight(
    spec: ModelSpec, gib: float, memory: float | None
):
    asked = request(gpu(gib), memory=host(memory) if memory else None)
    verdicts = [planned.plan.verdict for planned in planned_runs(spec, asked)]
    chosen = choose_run(spec, asked)
    place = next((i for i, verdict in enumerate(verdicts) if verdict == "fits"), None)
    if place is None:
        place = verdicts.index("tight") if "tight" in verdicts else len(verdicts) - 1
    assert chosen.chosen.run == runs_for(spec, asked)[place]


def test_asked_offload_is_served_in_the_native_format():
    asked = with_options(request(gpu(24), memory=host(64)), cpu_offload="layers")
    chosen = choose_run(LLAMA_31_8B, asked).chosen
    assert chosen.run.quantization == "BF16"
    assert chosen.plan.verdict == "fits_with_offload"


def test_a_cache_type_leaves_out_the_engines_without_it():
    asked = request(h100(), kv_cache_type="q8_0")
    assert {run.engine for run in runs_for(LLAMA_31_8B, asked)} == {"llama.cpp"}


def test_a_cache_type_the_asked_engine_lacks_is_refused():
    asked = request(h100(), kv_cache_type="q8_0", engine="vllm")
    with pytest.raises(InvalidArgument) as caught:
        choose_run(LLAMA_31_8B, asked)
    assert caught.value.field == "kv_cache_type"


def test_the_deployment_repeats_the_request():
    asked = request(
        h100(), context_tokens=100, concurrent_sequences=3, options=EngineOptions(max_num_seqs=7)
    )
    run = runs_for(LLAMA_31_8B, asked)[0]
    deployment = deployment_of(LLAMA_31_8B, asked, run)
    assert (deployment.engine, deployment.quantization) == (run.engine, run.quantization)
    assert deployment.context_tokens == 100
    assert deployment.concurrent_sequences == 3
    assert deployment.options.max_num_seqs == 7
    assert deployment.kv_cache_type == "bf16"


def test_a_model_known_by_its_size_only_is_planned_too():
    asked = request(gpu(24))
    planned = plan_run(SIZE_ONLY, asked, runs_for(SIZE_ONLY, asked)[-1])
    assert planned.plan.total > 0
