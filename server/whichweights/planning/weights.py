"""Bytes of the weights in a format: where they lie, what moves with a layer, what a token reads."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import lru_cache
from typing import Final, cast

from whichweights.planning._gguf_table import gguf_model
from whichweights.planning._replicated import kv_projections, replicated_bytes
from whichweights.planning._stored_weights import as_stored
from whichweights.planning._weight_formats import GGUF_ENGINES, WeightFormat, resolve_format
from whichweights.planning._weight_plan import WeightPlan
from whichweights.planning.formats._mixture_roles import dimensions, is_quantizable
from whichweights.planning.formats.block_types import padded
from whichweights.planning.formats.layouts import WeightLayout
from whichweights.planning.formats.mixture import Tensor, plan_mixture
from whichweights.planning.gguf_tensors import ModelTensors, model_tensors
from whichweights_schemas.deployment import Engine
from whichweights_schemas.errors import UnsupportedArchitecture
from whichweights_schemas.models import ExpertsFeedForward, ModelSpec

__all__ = ["WeightPlan", "language_parameters", "weigh"]

_UNKNOWN_LAYERS: Final = 32
"""Slices a model of unknown depth is cut into, so that it can be split over devices."""

_BITS_BAND: Final = 0.05
"""Parameters x bits of the reference model: mean error 1.4 %, 93 % within 5 % (45 GGUF files)."""

_LAYOUT_BAND: Final = 0.15
"""Without shapes the share of 16-bit embeddings is unknown: up to this much above the bits."""

_PACKED_BAND: Final = (0.02, 0.05)
"""Around a packed layout: checkpoints differ in what they leave in 16 bits and engines pad. vLLM
logs of AWQ, FP8, NF4 and MXFP4 weights lie 2 % below to 5 % above (gpt-oss-20b)."""

_PUBLISHER_BAND: Final = 0.12
"""Assumed for publishers that choose per tensor (UD-, _XL): no rule tells their size."""

_CLOSES: Final = 0.005
_USABLE: Final = 0.03
"""How far the listed tensors may be from the counted parameters to be exact / to be scaled."""

_COMPUTED = "architecture x layout of the format, tensor by tensor"
_MIXTURE = "llama.cpp mixture rule on the model's tensors (equal to llama-quantize's own tables)"


def language_parameters(spec: ModelSpec) -> int | None:
    """Weights of the language part: stated, else the total without vision tower and MTP layers."""
    counts = spec.parameters
    if counts.language is not None:
        return counts.language
    if counts.total is None:
        return None
    return max(0, counts.total - (counts.vision or 0) - (counts.mtp or 0))


def weigh(spec: ModelSpec, quantization: str, engine: Engine) -> WeightPlan:
    """The weights of a model in a format, as this engine holds them.

    From the tensor list where the shape is known, else parameters x bits with a band. Vision
    tower and MTP layers stand apart.

    Raises:
        UnsupportedArchitecture: neither the shape nor the number of parameters is known.
        UnknownQuantization: the name is no known format.
    """
    kind = resolve_format(quantization, spec.native, engine)
    return _weigh(cast("Hashable", spec), kind, engine in GGUF_ENGINES)


# A spec is frozen, so it can be a key; type checkers do not see that pydantic gives it a hash.
@lru_cache(maxsize=1024)
def _weigh(model: Hashable, kind: WeightFormat, gguf_engine: bool) -> WeightPlan:
    spec = cast("ModelSpec", model)
    tensors = model_tensors(spec)
    expected = language_parameters(spec)
    if tensors is not None and expected:
        gap = abs(tensors.weights - expected) / expected
        if gap > _USABLE:
            tensors = None
    if tensors is None:
        plan = _from_count(spec, kind, expected)
    elif kind.kind == "gguf":
        plan = _from_mixture(spec, kind, tensors)
    else:
        plan = _from_layout(spec, kind, tensors)
    if tensors is not None and expected:
        plan = _reconciled(plan, tensors.weights, expected)
    plan = replace(plan, mtp=_mtp_bytes(spec, plan, tensors))
    plan = as_stored(plan, spec, kind)
    return replace(
        plan,
        embedding_on_host=gguf_engine and not plan.tied and plan.embedding > 0,
        vision=2 * (spec.parameters.vision or 0),
    )


def _reconciled(plan: WeightPlan, listed: int, expected: int) -> WeightPlan:
    """Widen the band where listed tensors and counted parameters do not meet."""
    gap = abs(listed - expected) / expected
    if gap <= _CLOSES:
        return plan
    note = f"the listed tensors are {100 * gap:.1f} % off the stated parameter count"
    slack = round(plan.language * gap)
    return replace(
        plan,
        basis="fitted",
        low=plan.low - slack,
        high=plan.high + slack,
        notes=(*plan.notes, note),
    )


def _mtp_bytes(spec: ModelSpec, plan: WeightPlan, tensors: ModelTensors | None) -> int:
    """Draft layers look like the last layer; what they hold beyond it (copies) is 16-bit."""
    count, layers = spec.parameters.mtp or 0, max(1, spec.mtp_layers)
    if not count:
        return 0
    if tensors is None or not plan.layers_known:
        return round(count * plan.language / max(1, language_parameters(spec) or 1))
    block = sum(tensor.elements for tensor in tensors.blocks[tensors.layout[-1]]) * layers
    if block > count:
        return 2 * count
    return plan.layers[-1] * layers + 2 * (count - block)


def _from_count(spec: ModelSpec, kind: WeightFormat, expected: int | None) -> WeightPlan:
    """Parameters x bits, cut into equal slices."""
    if not expected:
        raise UnsupportedArchitecture(
            f"neither the shape nor the number of parameters of {spec.id} is known",
            field="model",
            hint="Name a model of the catalogue, or give its size as '7B'.",
        )
    bits, below, above = _bits_of(kind)
    total = -(-round(expected * bits) // 8)
    count = spec.layers or _UNKNOWN_LAYERS
    share, rest = divmod(total, count)
    layers = tuple(share + (1 if index < rest else 0) for index in range(count))
    active, known = spec.parameters.active, spec.parameters.total or expected
    return WeightPlan(
        format=kind.name,
        layers=layers,
        experts=(0,) * count,
        active_layers=round(total * min(1.0, active / known)) if active else total,
        embedding=0,
        head=0,
        tied=True,
        embedding_on_host=False,
        vision=0,
        mtp=0,
        low=round(total * (1 - below)),
        high=round(total * (1 + above)),
        basis="computed" if kind.kind == "float" else "fitted",
        source="parameters x bits per weight",
        layers_known=spec.layers is not None,
        notes=("shape not known well enough to list the tensors",),
    )


def _bits_of(kind: WeightFormat) -> tuple[float, float, float]:
    """Bits per weight of the whole model, and how far below and above it may lie."""
    match kind.kind:
        case "float":
            return 8.0 * kind.float_bytes, 0.0, 0.0
        case "layout" if kind.layout is not None:
            return kind.layout.bits_per_weight() + 0.1, 0.03, _LAYOUT_BAND
        case _:
            band = _PUBLISHER_BAND if kind.by_publisher else _BITS_BAND
            return kind.bits_per_weight, band, band


def _from_mixture(spec: ModelSpec, kind: WeightFormat, tensors: ModelTensors) -> WeightPlan:
    assert kind.file_type is not None
    in_file = gguf_model(spec)
    assert in_file is not None
    plan = plan_mixture(
        in_file.table,
        in_file.facts,
        kind.file_type.name,
        imatrix=kind.imatrix,
        output_type=kind.ends_type,
        embedding_type=kind.ends_type,
    )
    count = len(tensors.layout)
    layers, experts = [0] * count, [0] * count
    embedding = head = 0
    for tensor in plan.tensors:
        name, size = tensor.name, padded(tensor.bytes)
        if name.startswith("blk."):
            layer = int(name[4 : name.index(".", 4)])
            layers[layer] += size
            if "_exps." in name:
                experts[layer] += size
        elif "token_embd" in name:
            embedding += size
        else:
            head += size
    band = _PUBLISHER_BAND if kind.by_publisher else 0.0
    total = embedding + head + sum(layers)
    notes = ("the publisher chose a type per tensor: only the file tells",) if band else ()
    return WeightPlan(
        format=kind.name,
        layers=tuple(layers),
        experts=tuple(experts),
        active_layers=_active(spec, layers, experts),
        embedding=embedding,
        head=head,
        tied=tensors.output is None,
        embedding_on_host=False,
        vision=0,
        mtp=0,
        low=round(total * (1 - band)),
        high=round(total * (1 + band)),
        basis="fitted" if band else "computed",
        source=_MIXTURE,
        layers_known=True,
        notes=notes,
    )


def _active(spec: ModelSpec, layers: list[int], experts: list[int]) -> int:
    """Bytes one token reads of the layers: all but the experts it does not pass."""
    total = 0
    for layer, size, routed in zip(spec.layout, layers, experts, strict=True):
        moe = spec.blocks[layer].feed_forward
        if isinstance(moe, ExpertsFeedForward) and moe.experts:
            size -= routed - routed * moe.experts_per_token // moe.experts
        total += size
    return total


def _from_layout(spec: ModelSpec, kind: WeightFormat, tensors: ModelTensors) -> WeightPlan:
    size_of = _sizer(kind, any(_has_experts(block) for block in tensors.blocks))
    per_block = [sum(size_of(tensor) for tensor in block) for block in tensors.blocks]
    routed = [
        sum(size_of(tensor) for tensor in block if "_exps." in tensor.name)
        for block in tensors.blocks
    ]
    layers = [per_block[index] for index in tensors.layout]
    experts = [routed[index] for index in tensors.layout]
    ends = [tensor for tensor in tensors.others if "token_embd" in tensor.name]
    rest = [tensor for tensor in tensors.others if "token_embd" not in tensor.name]
    if tensors.output is not None:
        rest.append(tensors.output)
    embedding = sum(size_of(tensor) for tensor in (tensors.embedding, *ends))
    head = sum(size_of(tensor) for tensor in rest)
    total = embedding + head + sum(layers)
    tied = tensors.output is None
    second_head = kind.name.startswith(_UNTIED_CHECKPOINTS) and tied
    below, above = (0.0, 0.0) if kind.kind == "float" else _PACKED_BAND
    return WeightPlan(
        format=kind.name,
        layers=tuple(layers),
        experts=tuple(experts),
        active_layers=_active(spec, layers, experts),
        embedding=embedding,
        head=head,
        tied=tied,
        embedding_on_host=False,
        vision=0,
        mtp=0,
        low=round(total * (1 - below)),
        high=round(total * (1 + above)) + (embedding if second_head else 0),
        basis="computed",
        source=_COMPUTED,
        layers_known=True,
        replicated=replicated_bytes(tensors, size_of),
        kv_projections=kv_projections(spec, tensors, size_of),
    )


_UNTIED_CHECKPOINTS: Final = ("AWQ", "GPTQ", "FP8")
"""Some such checkpoints store the head a second time though it is tied (Qwen2.5-1.5B-AWQ)."""


def _has_experts(block: tuple[Tensor, ...]) -> bool:
    return any("_exps." in tensor.name for tensor in block)


def _sizer(kind: WeightFormat, has_experts: bool) -> Callable[[Tensor], int]:
    """Bytes of one tensor: linear matrices in the format, the rest in 16 bits."""
    if kind.kind == "float":
        return lambda tensor: tensor.elements * kind.float_bytes
    assert kind.layout is not None
    body = kind.layout
    everything = "embeddings" not in body.keeps_16_bit

    def size(tensor: Tensor) -> int:
        found: WeightLayout | None = body
        if kind.experts_only and has_experts and "_exps." not in tensor.name:
            found = kind.elsewhere
        if found is None or not _is_linear(tensor, everything):
            return 2 * tensor.elements
        inside, outside, *copies = tensor.shape
        return found.linear_bytes(inside, outside) * (copies[0] if copies else 1)

    return size


_ENDS: Final = frozenset({"token_embd.weight", "output.weight", "per_layer_token_embd.weight"})


def _is_linear(tensor: Tensor, everything: bool) -> bool:
    if dimensions(tensor.shape) < 2 or not is_quantizable(tensor.name, tensor.shape):
        return False
    return everything or tensor.name not in _ENDS
