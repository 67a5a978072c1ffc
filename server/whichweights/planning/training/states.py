"""What training holds besides activations: weights, adapters, gradients, optimizer, copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from whichweights.planning._weight_formats import resolve_format
from whichweights.planning.gguf_tensors import model_tensors
from whichweights.planning.memory_types import Group, Part
from whichweights.planning.training.adapters import adapter_parameters, trained_embeddings
from whichweights.planning.training.recipes import Recipe
from whichweights.planning.weights import WeightPlan, language_parameters, weigh
from whichweights_schemas.deployment import Deployment, Sharding
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ExpertsFeedForward, ModelSpec

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

_FLOAT_TRAINING: Final = 6
"""Bytes per weight more where the weights are in 32 bits after all (devices without bfloat16)."""

_EIGHT_BIT: Final = frozenset({"adamw_8bit", "paged_adamw_8bit"})

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
    matrix = _largest_matrix(spec)
    base = weights.parts(load_vision=True, load_mtp=False)
    lines = [_unquantized_experts(base[0], spec, weights, recipe), *base[1:]]
    ends = 0
    if recipe.workload == "full_finetune":
        trainable = recipe.trainable_parameters or language_parameters(spec) or 0
        lines.extend(_full(spec, weights, recipe, trainable, matrix))
    else:
        trainable = recipe.trainable_parameters
        if trainable is None:
            trainable = adapter_parameters(spec, recipe.lora_rank, recipe.lora_targets)
            ends = trained_embeddings(spec, recipe.lora_targets)
        lines.extend(_adapters(recipe, trainable, ends))
        lines.extend(_upcast(spec, weights, recipe))
    layer = max(weights.layers, default=0)
    return States(tuple(lines), trainable + ends, layer, matrix)


def _unquantized_experts(part: Part, spec: ModelSpec, weights: WeightPlan, recipe: Recipe) -> Part:
    """bitsandbytes quantizes linear layers only: fused experts stay in 16 bits, at the high end.

    Gemma-4-26B-A4B in "4 bits" took 46.4 GiB after loading (Unsloth, 2026-04), Kimi-Linear-48B in
    "8 bits" 98.7 GiB (axolotl); gpt-oss-20b, converted to plain linear layers, 12.8 GiB.
    """
    if recipe.workload != "qlora" or not weights.format.startswith("bnb") or not _is_moe(spec):
        return part
    plain = weigh(spec, "BF16", "transformers")
    extra = sum(plain.experts) - sum(weights.experts)
    if not sum(weights.experts):
        extra = plain.language - weights.language
    note = f"routed experts that bitsandbytes leaves in 16 bits add {extra / 2**30:.1f} GiB"
    return replace(part, high=part.high + extra, note=note, basis="fitted")


def _is_moe(spec: ModelSpec) -> bool:
    counts = spec.parameters
    if any(isinstance(block.feed_forward, ExpertsFeedForward) for block in spec.blocks):
        return True
    return bool(counts.active and counts.total and counts.active < counts.total // 2)


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


def _line(name: str, group: Group, size: float, low: float, high: float, source: str) -> Part:
    return Part(name, group, round(size), round(low), round(high), "computed", source)


def _adapters(recipe: Recipe, trainable: int, ends: int) -> Iterator[Part]:
    """Adapters are in 32 bits with PEFT, in 16 elsewhere: both are in the band."""
    width, gradients = recipe.adapter_bytes, recipe.gradient_bytes
    source = "rank x (in + out) for each targeted matrix"
    if recipe.trainable_parameters is not None:
        source = "trainable parameters as given"
    yield _line("adapters", "weights", width * trainable, 2 * trainable, 4 * trainable, source)
    if ends:
        size, most = 2 * ends, 4 * ends
        yield _line("trained embedding and head", "weights", size, size, most, "16-bit copies")
    yield _line(
        "adapter gradients",
        "gradients",
        *(gradients * trainable + 2 * ends, 2 * trainable + 2 * ends, 4 * (trainable + ends)),
        "one per trained weight",
    )
    per_weight = _state_bytes(recipe, width)
    size = per_weight * trainable + _state_bytes(recipe, 4) * ends
    low = 0 if recipe.optimizer == "paged_adamw_8bit" else min(per_weight, 2) * (trainable + ends)
    most = 8 if recipe.optimizer == "adamw" else per_weight
    high = max(size, most * (trainable + ends))
    yield _line("adapter optimizer states", "optimizer", size, low, high, _ADAM)


def _upcast(spec: ModelSpec, weights: WeightPlan, recipe: Recipe) -> Iterator[Part]:
    """Embedding and head of a 4-bit model, 16 more bits each where the trainer widens them."""
    if recipe.workload != "qlora" or not weights.format.startswith("bnb"):
        return
    extra = weights.embedding + weights.head
    if not extra and spec.vocab_size and spec.hidden_size:
        extra = 2 * spec.vocab_size * spec.hidden_size
    if not extra:
        return
    source = "PEFT prepare_model_for_kbit_training"
    size = extra if recipe.upcasts else 0
    part = _line("32-bit embedding and head", "weights", size, 0, extra, source)
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
    """Gradients, states and master copy. What nobody confirmed widens the band."""
    embedding = (spec.vocab_size or 0) * (spec.hidden_size or 0)
    yield _full_gradients(recipe, trainable, matrix, embedding)
    width = 4 if recipe.master_weights or weights.format == "F32" else 2
    size = _state_bytes(recipe, width) * trainable
    if recipe.optimizer in _EIGHT_BIT and recipe.trainer == "transformers":
        size += (8 - _EIGHT_BIT_STATES) * min(embedding, trainable)
    paged = recipe.optimizer == "paged_adamw_8bit"
    low = size if "optimizer" in recipe.given and not paged else 0
    high = size + _most_beyond(recipe) * trainable
    yield _line("optimizer states", "optimizer", size, low, high, _ADAM)
    if recipe.master_weights:
        master = 4 * trainable
        yield _line("master weights", "optimizer", master, master, master, "32-bit copy")


def _full_gradients(recipe: Recipe, trainable: int, matrix: int, embedding: int) -> Part:
    width, open_recipe = recipe.gradient_bytes, "master_weights" not in recipe.given
    source = "one per trained weight"
    if recipe.optimizer_in_backward:
        size = width * matrix
        source = "the matrix at work: the optimizer steps in the backward pass"
        return _line("gradients", "gradients", size, size, width * (matrix + embedding), source)
    size = width * trainable
    low = size if "optimizer" in recipe.given else 0
    high = max(size, (4 if open_recipe else width) * trainable)
    return _line("gradients", "gradients", size, low, high, source)


def _most_beyond(recipe: Recipe) -> float:
    """Bytes per weight that other recipes of the same optimizer hold beyond the named one."""
    if "master_weights" in recipe.given:
        return _STEP_COPY if recipe.optimizer == "adamw" else 0
    if recipe.optimizer == "adamw":
        return _MOST_BYTES - 2 - 4 - _state_bytes(recipe, 2)
    return _FLOAT_TRAINING
