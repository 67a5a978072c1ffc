"""What training holds besides activations: weights, adapters, gradients, optimizer, copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from whichweights.planning._weight_formats import resolve_format
from whichweights.planning.gguf_tensors import model_tensors
from whichweights.planning.memory_types import Part
from whichweights.planning.training.adapters import adapter_parameters
from whichweights.planning.training.recipes import Recipe
from whichweights.planning.weights import WeightPlan, language_parameters, weigh
from whichweights_schemas.deployment import Deployment, Sharding
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

__all__ = ["States", "share_of", "training_states", "training_weights"]

_SHARDED: Final[dict[str, frozenset[Sharding]]] = {
    "optimizer": frozenset({"layers", "zero1", "zero2", "zero3", "fsdp"}),
    "gradients": frozenset({"layers", "zero2", "zero3", "fsdp"}),
    "weights": frozenset({"layers", "zero3", "fsdp"}),
}
"""Which stage cuts what: ZeRO paper (arXiv 1910.02054), table 1; FSDP full shard equals stage 3."""

_EIGHT_BIT_STATES: Final = 2.03
"""Two 8-bit moments with one 32-bit scale per 256 values (bitsandbytes blockwise optimizers)."""

_STEP_COPY: Final = 2
"""Unfused AdamW makes one more copy in the step: 10 bytes in all on Qwen-14B (ms-swift, 2023)."""

_MOST_BYTES: Final = 24
"""Bytes per weight of a DeepSpeed mixed-precision run on one device (Qwen-1.8B, 43.5 GB)."""

_ADAM: Final = "Adam moments by the width of what is trained"


@dataclass(frozen=True, slots=True)
class States:
    """Lines of one whole replica, before sharding, in bytes; `trainable` in weights.

    `largest_layer` and `largest_matrix` are what a gather or a dequantization holds in 16 bits.
    """

    parts: tuple[Part, ...]
    trainable: int
    largest_layer: int
    largest_matrix: int

    @property
    def gradients(self) -> int:
        """Bytes of all gradients at once."""
        return sum(part.bytes for part in self.parts if part.group == "gradients")


def share_of(part: Part, sharding: Sharding, devices: int) -> int:
    """Into how many pieces a line is cut: the number of devices, or 1 where each has a copy."""
    kind = part.group if part.group in _SHARDED else "weights"
    return devices if sharding in _SHARDED[kind] else 1


def training_weights(spec: ModelSpec, deployment: Deployment) -> WeightPlan:
    """The base weights as the trainer holds them: full fine-tuning always in floats.

    Raises:
        InvalidArgument: the format cannot be trained on, or is none that QLoRA means.
    """
    kind = resolve_format(deployment.quantization, spec.native, "transformers")
    if kind.kind in ("gguf", "bits"):
        raise InvalidArgument(
            f"{kind.name} weights cannot be trained on",
            field="quantization",
            hint="Use bnb-NF4 for qlora, BF16 for lora and full_finetune.",
        )
    if deployment.workload == "qlora" and kind.kind == "float":
        raise InvalidArgument(
            f"qlora trains adapters on quantized weights, and {kind.name} is not",
            field="quantization",
            hint="Use bnb-NF4 (or another 4- or 8-bit format), or workload lora.",
        )
    name = deployment.quantization
    if deployment.workload == "full_finetune" and kind.kind != "float":
        name = "BF16"
    return weigh(spec, name, "transformers")


def training_states(spec: ModelSpec, weights: WeightPlan, recipe: Recipe) -> States:
    """Everything one replica holds between two steps."""
    full = recipe.workload == "full_finetune"
    matrix = _largest_matrix(spec)
    trainable = _trainable(spec, recipe)
    lines = list(weights.parts(load_vision=True, load_mtp=False))
    if full:
        lines.extend(_full(spec, weights, recipe, trainable, matrix))
    else:
        lines.extend(_adapters(spec, weights, recipe, trainable))
    layer = max(weights.layers, default=0)
    return States(tuple(lines), trainable, layer, matrix)


def _trainable(spec: ModelSpec, recipe: Recipe) -> int:
    if recipe.trainable_parameters is not None:
        return recipe.trainable_parameters
    if recipe.workload == "full_finetune":
        return language_parameters(spec) or 0
    return adapter_parameters(spec, recipe.lora_rank, recipe.lora_targets)


def _largest_matrix(spec: ModelSpec) -> int:
    """Elements of the largest matrix outside embedding and head; of a guess without a shape."""
    tensors = model_tensors(spec)
    if tensors is None:
        return (language_parameters(spec) or 0) // 200
    sizes = (
        tensor.shape[0] * tensor.shape[1]
        for block in tensors.blocks
        for tensor in block
        if len(tensor.shape) > 1
    )
    return max(sizes, default=0)


def _line(name: str, group: str, size: float, low: float, high: float, source: str) -> Part:
    part = Part(name, "optimizer", round(size), round(low), round(high), "computed", source)
    match group:
        case "weights":
            return replace(part, group="weights")
        case "gradients":
            return replace(part, group="gradients")
        case _:
            return part


def _adapters(
    spec: ModelSpec, weights: WeightPlan, recipe: Recipe, trainable: int
) -> Iterator[Part]:
    """Adapters are in 32 bits with PEFT, in 16 elsewhere: both are in the band."""
    width = recipe.adapter_bytes
    source = "rank x (in + out) for each targeted matrix"
    if recipe.trainable_parameters is not None:
        source = "trainable parameters as given"
    yield _line("adapters", "weights", width * trainable, 2 * trainable, 4 * trainable, source)
    gradients = recipe.gradient_bytes
    yield _line(
        "adapter gradients",
        "gradients",
        *(gradients * trainable, 2 * trainable, 4 * trainable),
        "one per trained weight",
    )
    per_weight = _state_bytes(recipe, width)
    size = per_weight * trainable
    low = 0 if recipe.optimizer == "paged_adamw_8bit" else min(per_weight, 2) * trainable
    high = max(size, (8 if recipe.optimizer == "adamw" else per_weight) * trainable)
    yield _line("adapter optimizer states", "optimizer", size, low, high, _ADAM)
    if recipe.workload == "qlora" and weights.format.startswith("bnb"):
        yield from _upcast(spec, weights, recipe)


def _upcast(spec: ModelSpec, weights: WeightPlan, recipe: Recipe) -> Iterator[Part]:
    """Embedding and head of a 4-bit model, 16 more bits each where the trainer widens them."""
    extra = weights.embedding + weights.head
    if not extra and spec.vocab_size and spec.hidden_size:
        extra = 2 * spec.vocab_size * spec.hidden_size
    size = extra if recipe.upcasts else 0
    if not extra:
        return
    part = _line(
        "32-bit embedding and head",
        "weights",
        *(size, 0, extra),
        "PEFT prepare_model_for_kbit_training",
    )
    yield replace(part, basis="assumed", note="trainers that skip that step keep 16 bits")


def _state_bytes(recipe: Recipe, width: int) -> float:
    """Optimizer bytes per trained weight of this width."""
    match recipe.optimizer:
        case "adamw":
            return 2 * width
        case "adamw_8bit" | "paged_adamw_8bit":
            return _EIGHT_BIT_STATES
        case "adafactor":
            return 0.02
        case "sgd":
            return 0


def _full(
    spec: ModelSpec, weights: WeightPlan, recipe: Recipe, trainable: int, matrix: int
) -> Iterator[Part]:
    """Gradients, states and master copy. What nobody confirmed widens the band upwards."""
    open_recipe = "master_weights" not in recipe.given
    gradients = recipe.gradient_bytes * trainable
    low, high = gradients, max(gradients, (4 if open_recipe else recipe.gradient_bytes) * trainable)
    if recipe.optimizer_in_backward:
        gradients = low = recipe.gradient_bytes * max(matrix, (spec.vocab_size or 0))
        high = recipe.gradient_bytes * (matrix + (spec.vocab_size or 0) * (spec.hidden_size or 0))
    elif "optimizer" not in recipe.given:
        low = 0
    yield _line("gradients", "gradients", gradients, low, high, "one per trained weight")
    width = 4 if recipe.master_weights or weights.format == "F32" else 2
    size = _state_bytes(recipe, width) * trainable
    if recipe.optimizer in ("adamw_8bit", "paged_adamw_8bit") and recipe.trainer == "transformers":
        size += (8 - _EIGHT_BIT_STATES) * (spec.vocab_size or 0) * (spec.hidden_size or 0)
    low = size if "optimizer" in recipe.given else 0
    if recipe.optimizer == "paged_adamw_8bit":
        low = 0
    high = size
    if open_recipe and recipe.optimizer == "adamw":
        high = max(size, (_MOST_BYTES - 6) * trainable)
    elif recipe.optimizer == "adamw":
        high += _STEP_COPY * trainable
    source = _ADAM if "adam" in recipe.optimizer else "states of the optimizer"
    yield _line("optimizer states", "optimizer", size, low, high, source)
    if recipe.master_weights:
        master = 4 * trainable
        yield _line("master weights", "optimizer", master, master, master, "32-bit copy")
