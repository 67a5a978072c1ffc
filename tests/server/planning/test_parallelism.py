"""Ranks that an engine accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import ALL, LLAMA_31_8B, NEMOTRON_3_NANO, QWEN3_32B, SIZE_ONLY

from whichweights.planning.parallelism import with_ranks
from whichweights_schemas.deployment import EngineOptions
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

OPEN = EngineOptions()


@pytest.mark.parametrize(
    ("devices", "tensor", "pipeline"),
    [(1, 1, 1), (2, 2, 1), (3, 1, 3), (4, 4, 1), (6, 2, 3), (8, 8, 1), (12, 4, 3), (64, 32, 2)],
)
def test_open_ranks_use_every_device_without_splitting_a_head(
    devices: int, tensor: int, pipeline: int
):
    options = with_ranks(LLAMA_31_8B, "vllm", OPEN, devices)
    assert (options.tensor_parallel, options.pipeline_parallel) == (tensor, pipeline)


@given(st.sampled_from(ALL), st.integers(0, 200), st.sampled_from(["vllm", "sglang"]))
def test_the_ranks_fit_the_devices_and_the_layers(spec: ModelSpec, devices: int, engine: str):
    options = with_ranks(spec, engine, OPEN, devices)  # pyright: ignore[reportArgumentType]  # both are engines
    if options is OPEN:
        return
    tensor, pipeline = options.tensor_parallel or 0, options.pipeline_parallel or 0
    assert tensor >= 1
    assert pipeline >= 1
    assert tensor * pipeline <= max(1, devices)
    assert pipeline <= (spec.layers or devices)


def test_an_even_number_of_ranks_is_kept_as_asked():
    asked = EngineOptions(tensor_parallel=4)
    assert with_ranks(QWEN3_32B, "vllm", asked, 8) is asked


def test_ranks_that_split_a_head_are_refused_with_ones_that_do_not():
    with pytest.raises(InvalidArgument) as caught:
        with_ranks(LLAMA_31_8B, "sglang", EngineOptions(tensor_parallel=6), 6)
    assert caught.value.field == "options.tensor_parallel"
    assert caught.value.suggestions == ("4", "2", "1")
    assert "32 attention heads" in caught.value.message


def test_more_stages_than_layers_are_refused():
    with pytest.raises(InvalidArgument, match="32 layers") as caught:
        with_ranks(LLAMA_31_8B, "vllm", EngineOptions(pipeline_parallel=33), 64)
    assert caught.value.field == "options.pipeline_parallel"


def test_asked_stages_leave_the_rest_to_ranks():
    options = with_ranks(LLAMA_31_8B, "vllm", EngineOptions(pipeline_parallel=2), 8)
    assert (options.tensor_parallel, options.pipeline_parallel) == (4, 2)


def test_engines_that_split_by_layers_need_no_ranks():
    assert with_ranks(LLAMA_31_8B, "llama.cpp", OPEN, 3) is OPEN


def test_unknown_heads_are_not_guessed_at():
    assert with_ranks(SIZE_ONLY, "vllm", OPEN, 3) is OPEN
    assert with_ranks(NEMOTRON_3_NANO, "vllm", OPEN, 2).tensor_parallel == 2
