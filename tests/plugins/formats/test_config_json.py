"""config.json of published models, read and held against the catalogue and known totals."""

from __future__ import annotations

import copy
from typing import Any

import config_samples as samples
import config_samples_hybrid as hybrid
import config_samples_sparse as sparse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.kv_cache import cache_rows
from whichweights.planning.parameters import count_parameters
from whichweights_plugins.formats.config_json import (
    spec_from_config,
    spec_without_layers,
    supported_model_types,
)
from whichweights_plugins.knowledge._tables import load_rows
from whichweights_schemas.attention import (
    CrossAttention,
    FullAttention,
    LatentAttention,
    LinearAttention,
    ParallelMixers,
    RecurrentState,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.errors import InvalidArgument, UnsupportedArchitecture
from whichweights_schemas.models import ModelSpec, ParameterCounts

Config = dict[str, Any]

CATALOGUED: dict[str, Config] = {
    "meta-llama/Llama-3.1-8B-Instruct": samples.LLAMA_31_8B,
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": samples.MISTRAL_SMALL_31,
    "Qwen/Qwen2.5-7B-Instruct": samples.QWEN25_7B,
    "Qwen/Qwen3-0.6B": samples.QWEN3_06B,
    "microsoft/phi-4": samples.PHI_4,
    "google/gemma-2-2b-it": samples.GEMMA2_2B,
    "google/gemma-3-27b-it": samples.GEMMA3_27B,
    "google/gemma-3-4b-it": samples.GEMMA3_4B,
    "google/gemma-4-31B-it": samples.GEMMA4_31B,
    "google/gemma-4-26B-A4B-it": samples.GEMMA4_26B,
    "allenai/OLMo-2-0425-1B-Instruct": samples.OLMO2_1B,
    "allenai/Olmo-3-7B-Instruct": samples.OLMO3_7B,
    "ibm-granite/granite-3.1-2b-instruct": samples.GRANITE_31_2B,
    "CohereLabs/c4ai-command-a-03-2025": samples.COMMAND_A,
    "HuggingFaceTB/SmolLM3-3B": samples.SMOLLM3,
    "LGAI-EXAONE/EXAONE-4.0-1.2B": samples.EXAONE4_12B,
    "bigcode/starcoder2-3b": samples.STARCODER2_3B,
    "zai-org/GLM-4-9B-0414": samples.GLM4_9B,
    "swiss-ai/Apertus-8B-Instruct-2509": samples.APERTUS_8B,
    "openai-community/gpt2": samples.GPT2,
    "EleutherAI/gpt-neo-125m": samples.GPT_NEO_125M,
    "EleutherAI/gpt-neox-20b": samples.GPT_NEOX_20B,
    "facebook/opt-125m": samples.OPT_125M,
    "bigscience/bloom-560m": samples.BLOOM_560M,
    "microsoft/phi-1_5": samples.PHI_15,
    "stabilityai/stablelm-3b-4e1t": samples.STABLELM_3B,
    "tiiuae/falcon-7b": samples.FALCON_7B,
    "google-bert/bert-base-uncased": samples.BERT_BASE,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": sparse.MIXTRAL_8X7B,
    "Qwen/Qwen3-30B-A3B": sparse.QWEN3_30B_A3B,
    "Qwen/Qwen1.5-MoE-A2.7B-Chat": sparse.QWEN15_MOE,
    "openai/gpt-oss-120b": sparse.GPT_OSS_120B,
    "openai/gpt-oss-20b": sparse.GPT_OSS_20B,
    "allenai/OLMoE-1B-7B-0125-Instruct": sparse.OLMOE,
    "zai-org/GLM-4.5-Air": sparse.GLM45_AIR,
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": sparse.LLAMA4_SCOUT,
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": sparse.LLAMA4_MAVERICK,
    "baidu/ERNIE-4.5-21B-A3B-Thinking": sparse.ERNIE45_21B,
    "MiniMaxAI/MiniMax-M2": sparse.MINIMAX_M2,
    "ibm-granite/granite-3.1-1b-a400m-instruct": sparse.GRANITE_MOE_1B,
    "microsoft/Phi-3.5-MoE-instruct": sparse.PHI35_MOE,
    "deepseek-ai/DeepSeek-V3": sparse.DEEPSEEK_V3,
    "deepseek-ai/DeepSeek-V3.2": sparse.DEEPSEEK_V32,
    "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct": sparse.DEEPSEEK_V2_LITE,
    "moonshotai/Kimi-K2-Instruct": sparse.KIMI_K2,
    "zai-org/GLM-4.7-Flash": sparse.GLM47_FLASH,
    "zai-org/GLM-5.2": sparse.GLM52,
    "Qwen/Qwen3-Next-80B-A3B-Instruct": hybrid.QWEN3_NEXT,
    "Qwen/Qwen3.5-27B": hybrid.QWEN35_27B,
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": hybrid.NEMOTRON_3_NANO,
    "ibm-granite/granite-4.0-h-micro": hybrid.GRANITE_4_H_MICRO,
    "state-spaces/mamba-130m-hf": hybrid.MAMBA_130M,
}

PUBLISHED_TOTALS: dict[str, tuple[Config, int]] = {
    "Llama-2-7b without its rotary buffers": (samples.LLAMA_2_7B, 6_738_415_616),
    "Mistral-7B": (samples.MISTRAL_7B, 7_241_732_096),
    "distilbert-base": (samples.DISTILBERT, 66_362_880),
    "ModernBERT-base": (samples.MODERNBERT, 149_655_232),
    "Hunyuan-A13B": (sparse.HUNYUAN_A13B, 80_393_183_232),
    "AI21-Jamba2-3B": (hybrid.JAMBA2_3B, 3_029_337_472),
    "LFM2-1.2B": (hybrid.LFM2_12B, 1_170_340_608),
}


def read(config: Config) -> ModelSpec:
    return spec_from_config(config, model_id="someone/some-model")


@pytest.fixture(scope="module")
def catalogue() -> dict[str, ModelSpec]:
    return {
        row["id"]: ModelSpec.model_validate(row)
        for row in load_rows("models")
        if row["id"] in CATALOGUED
    }


@pytest.mark.parametrize("model_id", CATALOGUED)
def test_a_config_gives_the_layers_of_the_catalogue(
    model_id: str, catalogue: dict[str, ModelSpec]
) -> None:
    spec, known = read(CATALOGUED[model_id]), catalogue[model_id]
    assert [spec.layer(index) for index in range(len(spec.layout))] == [
        known.layer(index) for index in range(len(known.layout))
    ]
    assert (spec.hidden_size, spec.vocab_size) == (known.hidden_size, known.vocab_size)
    assert spec.tied_embeddings == known.tied_embeddings


@pytest.mark.parametrize("model_id", CATALOGUED)
def test_a_config_gives_the_parameter_total_of_the_catalogue(
    model_id: str, catalogue: dict[str, ModelSpec]
) -> None:
    counted, known = count_parameters(read(CATALOGUED[model_id])), catalogue[model_id].parameters
    assert counted is not None
    assert counted.total_language in (known.language, known.total)


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_a_config_gives_the_published_parameter_total(name: str) -> None:
    config, total = PUBLISHED_TOTALS[name]
    counted = count_parameters(read(config))
    assert counted is not None
    assert counted.total_language == total


def test_deepseek_v4_has_the_cached_layers_of_the_catalogue_and_no_count() -> None:
    rows = (row for row in load_rows("models") if row["id"] == "deepseek-ai/DeepSeek-V4-Flash")
    spec, known = read(sparse.DEEPSEEK_V4_FLASH), ModelSpec.model_validate(next(rows))
    assert (spec.blocks, spec.layout) == (known.blocks, known.layout)
    assert spec.native == known.native
    assert count_parameters(spec) is None


def test_falcon_h1_runs_attention_and_mamba_side_by_side_without_the_inner_norm() -> None:
    mixer = read(hybrid.FALCON_H1_05B).layer(0).attention
    assert isinstance(mixer, ParallelMixers)
    assert isinstance(mixer.state_space, StateSpace)
    assert (mixer.state_space.inner_size, mixer.state_space.gated_norm) == (1536, False)
    assert (mixer.attention.query_heads, mixer.attention.kv_heads) == (8, 2)


def test_llama_vision_attends_to_the_image_in_its_listed_layers() -> None:
    spec = read(hybrid.LLAMA_32_11B_VISION)
    crossing = [
        index for index in range(40) if isinstance(spec.layer(index).attention, CrossAttention)
    ]
    assert crossing == [3, 8, 13, 18, 23, 28, 33, 38]
    assert spec.input_modalities == ("text", "image")
    assert spec.extra_parameters == 8 * 4096


def test_gemma_3n_shares_the_cache_of_its_last_layers_and_is_not_counted_layer_by_layer() -> None:
    layers = 30
    spec = read(
        {
            "model_type": "gemma3n",
            "text_config": {
                "model_type": "gemma3n_text",
                "hidden_size": 2048,
                "intermediate_size": [8192] * layers,
                "num_hidden_layers": layers,
                "num_attention_heads": 8,
                "num_key_value_heads": 2,
                "head_dim": 256,
                "num_kv_shared_layers": 10,
                "sliding_window": 512,
                "vocab_size": 262_400,
                "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 6,
            },
        }
    )
    rows = cache_rows(spec)
    assert rows is not None
    assert {(row.cap, row.layers) for row in rows} == {(512, 16), (None, 4)}
    assert count_parameters(spec) is None


def test_kimi_linear_counts_its_layers_from_one() -> None:
    spec = read(
        {
            **sparse.DEEPSEEK_V2_LITE,
            "model_type": "kimi_linear",
            "num_hidden_layers": 8,
            "num_experts": 256,
            "num_experts_per_token": 8,
            "num_shared_experts": 1,
            "linear_attn_config": {
                "full_attn_layers": [4, 8],
                "kda_layers": [1, 2, 3, 5, 6, 7],
                "head_dim": 128,
                "num_heads": 32,
                "short_conv_kernel_size": 4,
            },
        }
    )
    kinds = [type(spec.layer(index).attention) for index in range(8)]
    assert kinds == ([LinearAttention] * 3 + [LatentAttention]) * 2


def test_short_convolutions_keep_a_state_instead_of_a_cache() -> None:
    mixer = read(hybrid.LFM2_12B).layer(0).attention
    assert isinstance(mixer, RecurrentState)
    assert mixer.state_bytes == 2 * 2048 * 3


@pytest.mark.parametrize(
    ("changes", "windowed"),
    [
        ({"sliding_window": 4096}, 32),
        ({"sliding_window": None}, 0),
        ({"sliding_window": 32_768}, 0),
        (
            {
                "sliding_window": 4096,
                "layer_types": ["sliding_attention"] * 31 + ["full_attention"],
            },
            31,
        ),
    ],
)
def test_a_window_counts_only_where_it_is_shorter_than_the_context(
    changes: Config, windowed: int
) -> None:
    spec = read({**samples.MISTRAL_7B, **changes})
    kinds = [isinstance(spec.layer(index).attention, SlidingAttention) for index in range(32)]
    assert sum(kinds) == windowed


def test_qwen_windows_need_their_switch_and_start_at_the_stated_layer() -> None:
    config = {**samples.QWEN25_7B, "sliding_window": 4096, "max_window_layers": 20}
    assert isinstance(read(config).layer(27).attention, FullAttention)
    switched = read({**config, "use_sliding_window": True})
    kinds = [isinstance(switched.layer(index).attention, SlidingAttention) for index in range(28)]
    assert kinds == [False] * 20 + [True] * 8


def test_a_pattern_of_letters_ends_with_a_full_layer() -> None:
    spec = read({**samples.EXAONE4_12B, "sliding_window": 4096, "sliding_window_pattern": "LLLG"})
    full = [index for index in range(30) if spec.layer(index).attention.kind == "full"]
    assert full == [3, 7, 11, 15, 19, 23, 27, 29]


def test_class_defaults_that_stood_in_are_named_as_assumed() -> None:
    assumed = [entry for entry in read(samples.GEMMA3_4B).evidence if entry.basis == "assumed"]
    assert len(assumed) == 1
    assert "num_attention_heads=8" in (assumed[0].note or "")
    assert not any(e.basis == "assumed" for e in read(samples.LLAMA_31_8B).evidence)


def test_counts_given_from_elsewhere_are_kept() -> None:
    counts = ParameterCounts(total=8_030_261_248)
    spec = spec_from_config(samples.LLAMA_31_8B, model_id="a/b", revision="abc", parameters=counts)
    assert (spec.parameters, spec.revision, spec.display_name) == (counts, "abc", "b")
    assert not spec.unknown


def test_yarn_extends_the_window_only_where_it_says_more_than_the_config() -> None:
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    spec = read({**samples.QWEN25_7B, "rope_scaling": scaling})
    assert (spec.max_context_tokens, spec.extended_context_tokens) == (32_768, 131_072)
    assert read(samples.LLAMA_31_8B).extended_context_tokens is None


@pytest.mark.parametrize("key", ["hidden_size", "num_key_value_heads", "vocab_size"])
def test_a_missing_field_without_a_certain_default_is_refused(key: str) -> None:
    config = copy.deepcopy(samples.QWEN3_06B)
    del config[key]
    with pytest.raises(UnsupportedArchitecture, match=key):
        read(config)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "rwkv7", "num_hidden_layers": 24, "hidden_size": 2048},
        {"model_type": "invented", "hidden_size": 2048},
        {"hidden_size": 2048},
        {**samples.PHI_15, "qk_layernorm": True},
        {**sparse.HUNYUAN_A13B, "moe_topk": [8] * 31 + [4]},
        {**samples.OPT_125M, "word_embed_proj_dim": 512},
    ],
)
def test_what_is_not_understood_is_refused_and_never_guessed(config: Config) -> None:
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(config)
    assert caught.value.hint
    rest = spec_without_layers(config, model_id="a/b", reason=caught.value.message)
    assert not rest.layout
    assert any(gap.field == "blocks" for gap in rest.unknown)


def test_a_refusal_says_what_the_config_still_tells() -> None:
    with pytest.raises(UnsupportedArchitecture, match="num_hidden_layers 24, hidden_size 2,048"):
        read({"model_type": "rwkv7", "num_hidden_layers": 24, "hidden_size": 2048})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 0),
        ("num_hidden_layers", 10**9),
        ("hidden_size", "4096"),
        ("hidden_size", -1),
        ("hidden_size", 10**30),
        ("num_attention_heads", 0),
        ("vocab_size", True),
        ("attention_bias", "yes"),
        ("model_type", 7),
    ],
)
def test_a_senseless_value_is_an_error_that_names_it(key: str, value: object) -> None:
    with pytest.raises(InvalidArgument):
        read({**samples.LLAMA_31_8B, key: value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
SOME_CONFIGS = [
    value
    for module in (samples, sparse, hybrid)
    for key, value in vars(module).items()
    if key.isupper() and key[0] != "_"
]


@given(st.sampled_from(SOME_CONFIGS), st.data())
def test_any_value_in_any_field_ends_in_a_spec_or_a_typed_error(
    config: Config, data: st.DataObject
) -> None:
    changed = copy.deepcopy(config)
    target = changed.get("text_config", changed)
    key = data.draw(st.sampled_from(sorted(target)))
    target[key] = data.draw(JSON)
    try:
        spec = read(changed)
    except (UnsupportedArchitecture, InvalidArgument):
        return
    assert set(spec.layout) == set(range(len(spec.blocks)))


@given(st.dictionaries(st.sampled_from(["model_type", "hidden_size", "text_config"]), JSON))
def test_what_can_still_be_said_never_fails(config: Config) -> None:
    assert not spec_without_layers(config, model_id="a/b", reason="not understood").layout


def test_every_sample_is_of_a_supported_type() -> None:
    types = {config.get("text_config", config)["model_type"] for config in SOME_CONFIGS}
    short = {name.removesuffix("_text_model").removesuffix("_text") for name in types}
    assert short <= supported_model_types()
