"""A typical architecture for a bare size ("7B", "8x7B"): a prior, never a fact."""

from __future__ import annotations

import re
from dataclasses import dataclass

from whichweights_schemas.attention import FullAttention
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    ModelSpec,
    ParameterCounts,
)
from whichweights_schemas.quantization import Quantization

_SIZE = re.compile(r"(?:(\d{1,3})\s*[x\u00d7]\s*)?(\d{1,5}(?:\.\d{1,3})?)\s*([bmt])", re.IGNORECASE)
_UNIT = {"m": 10**6, "b": 10**9, "t": 10**12}
_WINDOW = 131_072
# Below it no shape closes (the embeddings alone are larger); above it nothing was ever trained.
_SMALLEST, _LARGEST = 10**8, 10**13
_HEAD_DIM = 128


@dataclass(frozen=True)
class SizeName:
    """A bare size: `parameters` in all (or of one expert's model, when `experts` > 1)."""

    text: str
    parameters: int
    experts: int = 1


@dataclass(frozen=True)
class _Shape:
    """Layers, hidden size and heads that dense models of about this size share."""

    parameters: float
    layers: int
    hidden_size: int
    query_heads: int
    kv_heads: int
    head_dim: int = _HEAD_DIM
    vocabulary: int = 128_256


# Shapes of the Llama 3 family (model cards, 2024), at 14 B and 32 B of Qwen2.5 (2024), at 0.1 B of
# SmolLM2 (2024): the commonest dense shapes of the catalogue. MLP widths are solved so that the
# size closes.
_SHAPES = (
    _Shape(0.135e9, 30, 576, 9, 3, 64, 49_152),
    _Shape(0.6e9, 28, 1024, 16, 8, 64),
    _Shape(1.2e9, 16, 2048, 32, 8, 64),
    _Shape(3.2e9, 28, 3072, 24, 8),
    _Shape(8.0e9, 32, 4096, 32, 8),
    _Shape(14.7e9, 48, 5120, 40, 8),
    _Shape(32.5e9, 64, 5120, 40, 8),
    _Shape(70.6e9, 80, 8192, 64, 8),
    _Shape(405.9e9, 126, 16384, 128, 8),
)


def parse_size_name(text: str) -> SizeName | None:
    """The size a bare "7B", "1.5b" or "8x7B" names; None for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        return None
    experts, number, unit = match.groups()
    parameters = int(float(number) * _UNIT[unit.lower()])
    if not _SMALLEST <= parameters <= _LARGEST:
        return None
    return SizeName(text.strip(), parameters, int(experts or 1))


def generic_model(size: SizeName) -> ModelSpec:
    """A dense (or, for "8x7B", mixture-of-experts) model of typical shape and exactly this size.

    The KV cache of real models of one size differs by a factor of eight either way (DeepSeek-V3
    70,272 and Llama-2-7B 524,288 bytes per token), so every figure from this spec is a prior.
    """
    shape = min(_SHAPES, key=lambda s: _ratio(s.parameters, size.parameters))
    attention = FullAttention(
        query_heads=shape.query_heads, kv_heads=shape.kv_heads, head_dim=shape.head_dim
    )
    width = _mlp_width(shape, size.parameters)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=width))
    total = active = size.parameters
    if size.experts > 1:
        experts = ExpertsFeedForward(experts=size.experts, experts_per_token=2, width=width)
        block = Block(attention=attention, feed_forward=experts)
        mlp = 3 * shape.hidden_size * width * shape.layers
        router = shape.hidden_size * size.experts * shape.layers
        total = size.parameters + (size.experts - 1) * mlp + router
        active = size.parameters + mlp + router
    return ModelSpec(
        id=size.text,
        display_name=f"a typical {size.text} model",
        architecture="generic",
        parameters=ParameterCounts(
            total=total, total_basis="prior", language=total, active=active, active_basis="prior"
        ),
        hidden_size=shape.hidden_size,
        vocab_size=shape.vocabulary,
        tied_embeddings=size.parameters < 4 * 10**9,
        blocks=(block,),
        layout=(0,) * shape.layers,
        max_context_tokens=_WINDOW,
        native=Quantization(format="BF16", bits_per_weight=16),
        evidence=(
            Evidence(
                fields=("architecture",),
                basis="prior",
                source="shapes of the Llama 3 and Qwen2.5 families",
                date="2024-09",
                note="real models of one size differ up to eightfold in KV cache",
            ),
        ),
    )


def _ratio(left: float, right: float) -> float:
    return left / right if left > right else right / left


def _mlp_width(shape: _Shape, parameters: int) -> int:
    embeddings = 1 if parameters < 4 * 10**9 else 2
    attention = 2 * shape.hidden_size * shape.head_dim * (shape.query_heads + shape.kv_heads)
    vocabulary = embeddings * shape.vocabulary * shape.hidden_size
    rest = parameters - vocabulary - shape.layers * attention
    return max(64, round(rest / (3 * shape.hidden_size * shape.layers) / 64) * 64)
