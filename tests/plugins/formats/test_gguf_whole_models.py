"""The GGUF headers whole published models would have, held against their config.json."""

from __future__ import annotations

from typing import Any

import config_samples as samples
import config_samples_hybrid as hybrid
import config_samples_sparse as sparse
import pytest
from gguf_models import header_of, mixers

from whichweights.planning.gguf_tensors import model_tensors
from whichweights.planning.parameters import count_parameters
from whichweights_plugins.formats.config_json import spec_from_config
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    LatentAttention,
    LinearAttention,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.models import ExpertsFeedForward, FeedForward, ModelSpec

SKIPPED = {
    "LLAMA_32_11B_VISION",  # cross attention has names of its own
    "LFM2_12B",  # the planner knows the size of its mixer only
    "FALCON_H1_05B",  # the planner lists an inner norm that this model lacks
    "DEEPSEEK_V4_FLASH",  # its weights are not known one by one
}
WHOLE = {
    name: config
    for module in (samples, sparse, hybrid)
    for name, config in vars(module).items()
    if name.isupper() and name[0] != "_" and name not in SKIPPED
}


def _architecture_keys(spec: ModelSpec) -> dict[str, Any]:
    """The metadata a converter writes for such a model, as far as tensors do not tell it."""
    found: dict[str, Any] = {"block_count": len(spec.layout), "embedding_length": spec.hidden_size}
    heads: list[int] = []
    key_heads: list[int] = []
    windows: list[bool] = []
    for index in range(len(spec.layout)):
        block = spec.layer(index)
        mixer = block.attention
        heads.append(getattr(mixer, "query_heads", 0))
        key_heads.append(getattr(mixer, "kv_heads", getattr(mixer, "query_heads", 0)))
        windows.append(mixer.kind in ("sliding", "chunked"))
        if isinstance(block.feed_forward, ExpertsFeedForward):
            found["expert_used_count"] = block.feed_forward.experts_per_token
        found |= _mixer_keys(mixer)
    return {
        **found,
        "attention__head_count": heads,
        "attention__head_count_kv": key_heads,
        "attention__sliding_window_pattern": windows,
    }


def _mixer_keys(mixer: Attention) -> dict[str, Any]:
    match mixer:
        case SlidingAttention():
            return {"attention__sliding_window": mixer.window}
        case ChunkedAttention():
            return {"attention__sliding_window": mixer.chunk}
        case LatentAttention() if mixer.indexer is not None:
            return {
                "attention__indexer__head_count": mixer.indexer.heads,
                "attention__indexer__top_k": mixer.indexer.top_k,
            }
        case LinearAttention():
            return {
                "ssm__inner_size": mixer.value_heads * mixer.value_head_dim,
                "ssm__state_size": mixer.key_head_dim,
                "ssm__conv_kernel": mixer.conv_kernel,
                "ssm__time_step_rank": mixer.value_heads,
                "ssm__group_count": mixer.key_heads,
            }
        case StateSpace():
            return {
                "ssm__inner_size": mixer.inner_size,
                "ssm__state_size": mixer.state_size,
                "ssm__conv_kernel": mixer.conv_kernel,
                "ssm__time_step_rank": mixer.heads or mixer.dt_rank,
                "ssm__group_count": mixer.groups,
            }
        case _:
            return {}


def _plain(feed: FeedForward) -> FeedForward:
    """The planner lists the biases of all experts as one tensor: they count, but have no name."""
    return feed.model_copy(update={"expert_bias": False}) if feed.kind == "moe" else feed


@pytest.mark.parametrize("name", WHOLE)
def test_config_and_gguf_of_one_model_agree_on_every_layer(name: str) -> None:
    spec = spec_from_config(WHOLE[name], model_id="a/b")
    listed = model_tensors(spec)
    assert listed is not None
    tensors = {row.name: row.shape for _, row in listed.named()}
    architecture = "llama4" if "LLAMA4" in name else "bert" if spec.kind == "encoder" else "any"
    header = header_of(architecture, tensors, **_architecture_keys(spec))
    found = spec_from_gguf(header, model_id="a/b.gguf")
    assert mixers(found) == mixers(spec)
    assert [_plain(block.feed_forward) for block in found.blocks] == [
        _plain(block.feed_forward) for block in spec.blocks
    ]
    expected, counted = count_parameters(spec), count_parameters(found)
    assert expected is not None
    assert counted is not None
    assert counted.total_language == expected.total_language == header.weights
