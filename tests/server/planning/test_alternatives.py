"""Changes that alter a verdict, cheapest first, and only such."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from specs import ALL, LLAMA_33_70B, QWEN3_30B_A3B, QWEN3_32B, gpu, host

from whichweights.planning.alternatives import MOST, find_alternatives
from whichweights.planning.memory_types import MemoryPlan
from whichweights.planning.running import RunRequest, choose_run, with_options
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec

BETTER = {"unknown": 0, "does_not_fit": 0, "fits_with_offload": 1, "tight": 2, "fits": 3}


def request(
    *devices: Accelerator, memory: Accelerator | None = None, context: int = 8192
) -> RunRequest:
    return RunRequest(accelerators=devices, memory=memory, context_tokens=context)


def changes(spec: ModelSpec, asked: RunRequest) -> dict[str, MemoryPlan]:
    return dict(find_alternatives(spec, asked, choose_run(spec, asked)))


def test_what_fits_needs_no_alternative():
    assert changes(QWEN3_32B, request(gpu(80))) == {}


def test_what_is_unknown_has_none():
    blind = gpu(24).model_copy(update={"free_bytes": None, "total_bytes": None})
    assert changes(QWEN3_32B, request(blind)) == {}


def test_the_cheapest_change_comes_first():
    found = list(changes(QWEN3_32B, request(gpu(23.5), context=32_768)))
    assert found[0] == "kv_cache_type=q8_0"
    assert all("=" in change for change in found)


@settings(max_examples=80)
@given(
    spec=st.sampled_from(ALL),
    gib=st.floats(2, 100),
    devices=st.integers(0, 3),
    context=st.sampled_from([1, 2, 2048, 32_768, 131_072]),
    engine=st.sampled_from([None, "llama.cpp", "vllm", "transformers", "mlx"]),
    memory=st.sampled_from([None, 64.0]),
    prompt=st.sampled_from([None, 1]),
)
def test_every_alternative_is_better_and_there_are_at_most_three(
    spec: ModelSpec,
    gib: float,
    devices: int,
    context: int,
    engine: Engine | None,
    memory: float | None,
    prompt: int | None,
):
    cards = tuple(gpu(gib) for _ in range(devices))
    asked = request(*cards, memory=host(memory) if memory else None, context=context)
    asked = with_options(replace(asked, engine=engine), prompt_tokens=prompt)
    chosen = choose_run(spec, asked)
    found = find_alternatives(spec, asked, chosen)
    assert len(found) <= MOST
    for _, plan in found:
        assert BETTER[plan.verdict] > BETTER[chosen.chosen.plan.verdict]


def test_a_context_of_one_token_that_does_not_fit_is_no_crash():
    found = changes(LLAMA_33_70B, request(gpu(8), context=1))
    assert not any(change.startswith("context_tokens") for change in found)


def test_a_shorter_context_never_cuts_the_prompt_that_was_asked_for():
    asked = with_options(request(gpu(23.5), context=32_768), prompt_tokens=20_000)
    assert not any(change.startswith("context_tokens") for change in changes(QWEN3_32B, asked))


def test_a_quantized_cache_is_not_offered_without_flash_attention():
    asked = with_options(request(gpu(23.5), context=32_768), flash_attention=False)
    assert "kv_cache_type=q8_0" not in changes(QWEN3_32B, asked)


def test_more_of_the_same_devices_are_counted():
    asked = request(gpu(24), gpu(24))
    found = changes(LLAMA_33_70B, replace(asked, quantization="Q8_0"))
    assert "accelerators=4x RTX 4090" in found


def test_a_mixed_machine_is_not_called_by_the_name_of_its_first_device():
    asked = request(gpu(12, "RTX 3060"), gpu(16, "RTX 4080"))
    found = changes(QWEN3_32B, replace(asked, quantization="Q8_0"))
    assert not any("x RTX" in change for change in found)
    assert "2 times these devices" in found


def test_offload_names_the_engine_and_the_format_it_takes():
    card = gpu(24).model_copy(update={"compute_capability": "8.9"})
    asked = request(card, card, memory=host(128))
    found = changes(QWEN3_30B_A3B, replace(asked, quantization="BF16"))
    assert found["engine=llama.cpp, quantization=Q4_K_M"].verdict == "fits"
    small = request(card.model_copy(update={"free_bytes": 8 * 2**30}), card, memory=host(128))
    found = changes(LLAMA_33_70B, replace(small, quantization="BF16"))
    (change,) = [change for change in found if change.startswith("engine=")]
    assert change.endswith(" with part of the model in system memory")
    assert found[change].verdict == "fits_with_offload"
