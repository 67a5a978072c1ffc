"""The cache against published tables and printed buffers, and its laws."""

from __future__ import annotations

from dataclasses import replace
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import (
    ALL,
    DEEPSEEK_V3,
    GEMMA_3_4B,
    GEMMA_3_27B,
    GIB,
    GPT_OSS_120B,
    LLAMA_2_7B,
    LLAMA_31_8B,
    LLAMA_33_70B,
    MIB,
    NEMOTRON_3_NANO,
    QWEN3_30B_A3B,
    QWEN35_27B,
    SIZE_ONLY,
    deployment,
)

from whichweights.planning._settings import resolve_settings
from whichweights.planning.kv_cache import CacheBytes, cache_bytes, growth_per_token
from whichweights.planning.memory_types import Settings
from whichweights.planning.recurrent_state import state_per_sequence
from whichweights_schemas.attention import (
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    FullAttention,
    Indexer,
    ParallelMixers,
    RecurrentState,
)
from whichweights_schemas.deployment import Engine, EngineOptions, KvCacheType
from whichweights_schemas.models import (
    Block,
    CacheFigure,
    DenseFeedForward,
    ModelSpec,
)


def settings(
    context: int,
    engine: Engine = "vllm",
    *,
    sequences: int = 1,
    kv: KvCacheType = "bf16",
    options: EngineOptions | None = None,
) -> Settings:
    return resolve_settings(
        deployment(engine, "BF16", context, sequences=sequences, kv=kv, options=options)
    )[0]


def needs(spec: ModelSpec, context: int, kv: KvCacheType = "bf16") -> int:
    return cache_bytes(spec, settings(context, kv=kv)).needs


@pytest.mark.parametrize(
    ("spec", "per_token", "mib"),
    [
        (LLAMA_2_7B, 524_288, 4096),
        (LLAMA_31_8B, 131_072, 1024),
        (LLAMA_33_70B, 327_680, 2560),
        (QWEN3_30B_A3B, 98_304, 768),
        (DEEPSEEK_V3, 70_272, 549),
        (GEMMA_3_27B, 81_920, 1056),
        (GPT_OSS_120B, 36_864, 292.5),
        (QWEN35_27B, 65_536, 512),
        (NEMOTRON_3_NANO, 6_144, 48),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_the_published_table_at_8192_tokens(spec: ModelSpec, per_token: int, mib: float):
    assert needs(spec, 8192) == mib * MIB
    assert growth_per_token(spec, settings(8192)) == per_token


@pytest.mark.parametrize(
    ("spec", "gib"),
    [
        (LLAMA_31_8B, 16.000),
        (QWEN3_30B_A3B, 12.000),
        (DEEPSEEK_V3, 8.578),
        (GEMMA_3_27B, 10.406),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_the_published_table_at_131072_tokens(spec: ModelSpec, gib: float):
    assert isclose(needs(spec, 131_072) / GIB, gib, abs_tol=5e-4)


def test_llama_cpp_gives_window_layers_window_and_micro_batch():
    cache = cache_bytes(GEMMA_3_4B, settings(8192, "llama.cpp", kv="f16"))
    row = 2 * 4 * 256 * 2
    assert cache.allocated == row * (5 * 8192 + 29 * 1536)
    assert cache.needs == row * (5 * 8192 + 29 * 1024)


def test_swa_full_and_early_builds_charge_window_layers_in_full():
    full = EngineOptions(full_window_cache=True)
    early = EngineOptions(engine_version="b4000")
    for options in (full, early):
        cache = cache_bytes(GEMMA_3_4B, settings(8192, "llama.cpp", options=options))
        assert cache.allocated == 34 * 2 * 4 * 256 * 2 * 8192


def test_llama_cpp_pads_the_context_to_256_cells():
    cache = cache_bytes(LLAMA_31_8B, settings(1000, "llama.cpp"))
    assert cache.needs == 131_072 * 1000
    assert cache.allocated == 131_072 * 1024


def test_early_llama_cpp_builds_keep_more_of_an_mla_row():
    def per_token(version: str | None) -> float:
        options = EngineOptions(engine_version=version)
        cache = cache_bytes(DEEPSEEK_V3, settings(8192, "llama.cpp", options=options))
        return cache.allocated / 8192

    assert per_token(None) == 61 * 576 * 2
    assert per_token("b6000") == 61 * (576 + 512) * 2
    assert per_token("b4500") == 61 * 128 * (192 + 128) * 2


def test_transformers_capped_windows_only_in_newer_versions():
    old = EngineOptions(engine_version="4.50.0")
    new = EngineOptions(engine_version="4.57.1")
    full = cache_bytes(GEMMA_3_27B, settings(8192, "transformers", options=old))
    capped = cache_bytes(GEMMA_3_27B, settings(8192, "transformers", options=new))
    assert full.allocated == 62 * 2 * 16 * 128 * 2 * 8192
    assert capped.allocated == capped.needs == 1056 * MIB


@pytest.mark.parametrize(
    ("kv", "per_block"),
    [("f16", 64), ("fp8", 32), ("q8_0", 34), ("q5_1", 24), ("q5_0", 22), ("q4_1", 20),
     ("q4_0", 18), ("iq4_nl", 18)],
)  # fmt: skip
def test_quantized_caches_hold_whole_blocks_of_32(kv: KvCacheType, per_block: int):
    assert needs(LLAMA_31_8B, 100, kv) == 100 * 32 * 2 * 1024 // 32 * per_block


def test_a_cache_row_that_is_no_whole_block_is_rounded_up():
    attention = FullAttention(query_heads=1, kv_heads=1, head_dim=80)
    spec = LLAMA_31_8B.model_copy(
        update={
            "blocks": (Block(attention=attention, feed_forward=DenseFeedForward(width=8)),),
            "layout": (0,),
        }
    )
    assert needs(spec, 1, "q8_0") == 2 * 3 * 34


def test_tensor_parallel_ranks_copy_mla_rows_and_missing_heads():
    def copies(spec: ModelSpec, ranks: int) -> CacheBytes:
        return cache_bytes(spec, replace(settings(8192), tensor_parallel=ranks))

    mla = copies(DEEPSEEK_V3, 8)
    assert mla.copies == 7 * mla.allocated
    assert copies(QWEN3_30B_A3B, 4).copies == 0
    few = copies(QWEN3_30B_A3B, 8)
    assert few.copies == few.allocated
    uneven = copies(QWEN3_30B_A3B, 3)
    assert uneven.copies == uneven.allocated // 2


def _with_block(block: Block, **changes: object) -> ModelSpec:
    return LLAMA_31_8B.model_copy(update={"blocks": (block,), "layout": (0,), **changes})


def test_an_encoder_caches_nothing():
    attention = EncoderAttention(query_heads=12, head_dim=64)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=3072))
    assert needs(_with_block(block), 512) == 0


def test_compressed_attention_is_a_range():
    attention = CompressedAttention(
        query_heads=64,
        head_dim=512,
        ratio=4,
        window=128,
        indexer=Indexer(heads=64, head_dim=128, top_k=512),
    )
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=8))
    cache = cache_bytes(_with_block(block), settings(8192))
    assert cache.needs == 2 * (128 * 512 + 2048 * 512 + 2048 * 128)
    assert cache.low < cache.allocated < cache.high
    assert cache.basis == "fitted"


def test_layers_that_share_an_earlier_cache_add_nothing():
    attention = FullAttention(query_heads=8, kv_heads=2, head_dim=128, shares_kv=True)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=8))
    assert needs(_with_block(block), 8192) == 0


def test_image_keys_of_cross_layers_do_not_grow_with_the_text():
    attention = CrossAttention(query_heads=32, kv_heads=8, head_dim=128, image_tokens=1601)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=8))
    spec = _with_block(block)
    assert needs(spec, 100) == needs(spec, 10_000) == 1601 * 2 * 8 * 128 * 2


def test_image_keys_are_four_tiles_where_the_model_does_not_say_and_none_without_images():
    attention = CrossAttention(query_heads=32, kv_heads=8, head_dim=128)
    spec = _with_block(Block(attention=attention, feed_forward=DenseFeedForward(width=8)))
    assert needs(spec, 100) == 6404 * 2 * 8 * 128 * 2
    settings, _ = resolve_settings(
        deployment("vllm", "BF16", 100, kv="bf16", options=EngineOptions(load_vision=False))
    )
    assert cache_bytes(spec, settings).needs == 0


def test_parallel_mixers_hold_both_a_cache_and_a_state():
    attention = FullAttention(query_heads=12, kv_heads=2, head_dim=128)
    mixers = ParallelMixers(
        attention=attention, state_space=RecurrentState(flavour="mamba2", state_bytes=1000)
    )
    spec = _with_block(Block(attention=mixers, feed_forward=DenseFeedForward(width=8)))
    assert needs(spec, 10) == 10 * 2 * 2 * 128 * 2
    assert state_per_sequence(spec).bytes == 1000


def test_a_published_cache_figure_serves_without_layers():
    figure = CacheFigure(bytes_per_token=1000, windowed_bytes_per_token=500, window_tokens=128)
    spec = SIZE_ONLY.model_copy(update={"cache_figure": figure})
    assert needs(spec, 1000) == 1_000_000 + 128 * 500
    at_most = figure.model_copy(update={"upper_bound": True})
    bounded = SIZE_ONLY.model_copy(update={"cache_figure": at_most})
    cache = cache_bytes(bounded, settings(1000))
    assert cache.low < cache.allocated == cache.high
    assert cache.note is not None
    assert "at most" in cache.note


def test_without_any_figure_the_cache_is_a_prior_with_a_wide_band():
    cache = cache_bytes(SIZE_ONLY, settings(8192))
    assert cache.basis == "prior"
    assert cache.high > 20 * cache.low > 0


@pytest.mark.parametrize(
    ("spec", "size"),
    [(QWEN35_27B, 153_944_064), (NEMOTRON_3_NANO, 49_082_368), (LLAMA_31_8B, 0)],
    ids=lambda value: getattr(value, "id", value),
)
def test_recurrent_state_of_one_sequence(spec: ModelSpec, size: int):
    assert state_per_sequence(spec).bytes == size


ENGINES: tuple[Engine, ...] = ("llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx")


@given(
    spec=st.sampled_from((*ALL, SIZE_ONLY)),
    engine=st.sampled_from(ENGINES),
    context=st.integers(1, 200_000),
    more=st.integers(0, 5_000),
    sequences=st.integers(1, 64),
)
def test_more_tokens_or_sequences_never_need_less(
    spec: ModelSpec, engine: Engine, context: int, more: int, sequences: int
):
    kv: KvCacheType = "f16"
    base = cache_bytes(spec, settings(context, engine, sequences=sequences, kv=kv))
    longer = cache_bytes(spec, settings(context + more, engine, sequences=sequences, kv=kv))
    wider = cache_bytes(spec, settings(context, engine, sequences=sequences + 1, kv=kv))
    assert base.needs <= longer.needs
    assert base.allocated <= longer.allocated
    assert base.allocated <= wider.allocated
    assert base.low <= base.allocated <= base.high
    if spec is not SIZE_ONLY:
        assert base.needs <= base.allocated


@given(spec=st.sampled_from(ALL), context=st.integers(1, 200_000))
def test_fewer_bits_in_the_cache_never_need_more(spec: ModelSpec, context: int):
    types: tuple[KvCacheType, ...] = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16")
    sizes = [needs(spec, context, kv) for kv in types]
    assert sizes == sorted(sizes)


@given(spec=st.sampled_from(ALL), context=st.integers(1, 100_000))
def test_growth_is_what_one_more_token_adds(spec: ModelSpec, context: int):
    growth = growth_per_token(spec, settings(context))
    assert growth == needs(spec, context + 1) - needs(spec, context)


def test_transformers_4_caches_every_head_of_latent_attention_and_5_the_compressed_row():
    """61 layers x 128 heads x (192 key + 128 value elements) x 2 bytes: the "naive" attention
    that the page of transformers on DeepSeek-V3 speaks of, 71 times the compressed row."""

    def cached(version: str) -> CacheBytes:
        options = EngineOptions(engine_version=version)
        given = deployment("transformers", "FP8-block", 8192, options=options)
        return cache_bytes(DEEPSEEK_V3, resolve_settings(given)[0])

    assert cached("5.17.0").allocated == 8192 * 70_272
    found = cached("4.57.0")

    assert found.allocated == 8192 * 61 * 128 * (192 + 128) * 2
    assert found.needs == 8192 * 70_272
    assert found.note
    assert "every head" in found.note


def test_ollama_since_its_own_engine_gives_window_layers_their_windows_and_one_batch():
    """ollama printed a cache of 1.6 GiB for Gemma-3-27B, 8,192 cells in two slots."""
    options = EngineOptions(engine_version="0.6.2", ubatch_tokens=512)
    given = deployment("ollama", "Q4_K_M", 4096, sequences=2, options=options)
    found = cache_bytes(GEMMA_3_27B, resolve_settings(given)[0])

    assert isclose(found.allocated / GIB, 1.64, rel_tol=0.02)
    older = deployment(
        "ollama", "Q4_K_M", 4096, sequences=2, options=EngineOptions(engine_version="0.5.7")
    )
    whole = cache_bytes(GEMMA_3_27B, resolve_settings(older)[0])
    assert whole.allocated == 8192 * 62 * 2 * 16 * 128 * 2
