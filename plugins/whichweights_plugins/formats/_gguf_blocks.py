"""Turns the tensors of one block of a GGUF file into a Block; the rest is counted, not dropped."""

from __future__ import annotations

import re
from typing import Final

from whichweights_plugins.formats._gguf_mixers import mixer_of
from whichweights_plugins.formats._gguf_tensors import LayerFacts, Tensors
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    FeedForward,
    NoFeedForward,
)

_ONE_EXPERT: Final = re.compile(r"^ffn_(?:gate|up|down)\.(\d+)\.weight$", re.ASCII)
"""Mixtral files of 2023 hold every expert by itself."""

_ROUTER_BIASES: Final = ("exp_probs_b.bias", "ffn_gate_inp.bias")


def read_block(tensors: Tensors, facts: LayerFacts) -> Block:
    """The block these tensors make; `tensors.missing` then names what did not fit."""
    mixer = mixer_of(tensors, facts)
    feed = _feed_forward(tensors, facts)
    norms, with_bias = _norms(tensors, facts.hidden)
    extra = sum(tensor.elements for tensor in tensors.left().values())
    return Block(
        attention=mixer,
        feed_forward=feed,
        norms=norms,
        norm_bias=with_bias,
        extra_parameters=extra,
    )


def _norms(tensors: Tensors, hidden: int) -> tuple[int, bool]:
    """Norms over the whole width, and whether each of them has a bias."""
    names = [
        name.removesuffix(".weight")
        for name, tensor in tensors.left().items()
        if name.endswith((".weight",)) and "norm" in name and tensor.shape == (hidden,)
    ]
    tensors.take(*(f"{name}.weight" for name in names))
    biased = bool(names) and all(tensors.has(f"{name}.bias") for name in names)
    if biased:
        tensors.take(*(f"{name}.bias" for name in names))
    return len(names), biased


def _feed_forward(tensors: Tensors, facts: LayerFacts) -> FeedForward:
    if tensors.has("ffn_down_exps.weight"):
        return _experts(tensors, facts)
    if tensors.has("ffn_down.0.weight"):
        return _single_experts(tensors, facts)
    if tensors.has("ffn_down.weight"):
        width, gated, bias = _mlp(tensors, "")
        return DenseFeedForward(width=width, gated=gated, bias=bias)
    return NoFeedForward()


def _mlp(tensors: Tensors, suffix: str) -> tuple[int, bool, bool]:
    """Width, whether it is gated, and whether all its matrices have a bias."""
    width = tensors.side(f"ffn_down{suffix}.weight", 0)
    names = [f"ffn_up{suffix}", f"ffn_down{suffix}"]
    if tensors.has(f"ffn_gate_up{suffix}.weight"):
        names[0] = f"ffn_gate_up{suffix}"
    gated = tensors.side(f"{names[0]}.weight", 1) == 2 * width  # gate and up in one matrix
    if tensors.has(f"ffn_gate{suffix}.weight"):
        names.append(f"ffn_gate{suffix}")
        gated = True
    tensors.take(*(f"{name}.weight" for name in names))
    bias = all(tensors.has(f"{name}.bias") for name in names)
    return width, gated, bias and tensors.take_if(*(f"{name}.bias" for name in names))


def _experts(tensors: Tensors, facts: LayerFacts) -> ExpertsFeedForward:
    down = "ffn_down_exps.weight"
    inside, count = tensors.side(down, 1), tensors.side(down, 2)
    width, gated, bias = _mlp(tensors, "_exps")
    shared = parallel = 0
    if tensors.has("ffn_down_shexp.weight"):
        shared, _, _ = _mlp(tensors, "_shexp")
    if tensors.has("ffn_down.weight"):
        parallel, _, _ = _mlp(tensors, "")
    latent = inside if inside != facts.hidden else None
    if latent is not None:
        tensors.take("ffn_latent_down.weight", "ffn_latent_up.weight")
    tensors.take("ffn_gate_inp.weight")
    return ExpertsFeedForward(
        experts=count,
        experts_per_token=min(facts.experts_used, count),
        width=width,
        gated=gated,
        shared_width=shared,
        shared_gate=tensors.take_if("ffn_gate_inp_shexp.weight"),
        router_bias=any(tensors.take_if(name) for name in _ROUTER_BIASES if tensors.has(name)),
        expert_bias=bias,
        latent_size=latent,
        parallel_dense_width=parallel or None,
    )


def _single_experts(tensors: Tensors, facts: LayerFacts) -> ExpertsFeedForward:
    width = tensors.side("ffn_down.0.weight", 0)
    gated = tensors.has("ffn_gate.0.weight")
    numbers = {match[1] for match in map(_ONE_EXPERT.match, tensors.left()) if match}
    kinds = ("gate", "up", "down") if gated else ("up", "down")
    tensors.take(*(f"ffn_{kind}.{number}.weight" for number in sorted(numbers) for kind in kinds))
    tensors.take("ffn_gate_inp.weight")
    return ExpertsFeedForward(
        experts=len(numbers),
        experts_per_token=min(facts.experts_used, len(numbers)),
        width=width,
        gated=gated,
    )
