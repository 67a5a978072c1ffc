"""What a training recipe consists of, whose defaults stand in, and what nobody confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from whichweights.planning.engine_versions import TRANSFORMERS_CURRENT, before
from whichweights.planning.memory_types import Assumption
from whichweights_schemas.deployment import (
    Deployment,
    LoraTargets,
    Optimizer,
    Sharding,
    TrainingOptions,
    TrainingRecipe,
    Workload,
)
from whichweights_schemas.errors import InvalidArgument

__all__ = ["Recipe", "resolve_recipe"]

_Value = TypeVar("_Value")

_RANK: Final = 16
"""Between PEFT's own default (8) and the 16 to 32 of the Unsloth and axolotl examples."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Defaults of one trainer. `adapter_bytes`: width of an adapter's weight.

    `upcasts`: it turns what a 4-bit model leaves in 16 bits into 32 bits.
    """

    adapter_bytes: int
    optimizer: Optimizer
    gradient_checkpointing: bool
    chunked_loss: bool
    activation_offload: bool
    upcasts: bool


_PRESETS: Final[dict[TrainingRecipe, Preset]] = {
    "transformers": Preset(4, "adamw", True, False, False, True),
    "torchtune": Preset(2, "adamw", True, True, False, False),
    "unsloth": Preset(4, "adamw_8bit", True, True, True, False),
    "litgpt": Preset(2, "adamw", False, True, False, False),
    "axolotl": Preset(4, "adamw_8bit", True, True, False, False),
}
"""From each project's published defaults and example configurations, 2023-10 to 2026-05. PEFT
keeps adapters in 32 bits (autocast_adapter_dtype) and its prepare_model_for_kbit_training upcasts;
Unsloth sends checkpoints to system memory; its loss and axolotl's cut cross entropy never build all
logits."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every switch resolved; `given` names those that were asked for.

    `packed` False: samples are shorter than `sequence_length`, which is the longest.
    `accumulates`: gradients of earlier micro steps are kept while the next one runs.
    `lean_loss`: the loss of transformers 5, which holds three 32-bit copies of the logits.
    """

    trainer: TrainingRecipe
    workload: Workload
    sequence_length: int
    micro_batch: int
    lora_rank: int
    lora_targets: LoraTargets
    trainable_parameters: int | None
    optimizer: Optimizer
    optimizer_in_backward: bool
    adapter_bytes: int
    gradient_bytes: int
    accumulates: bool
    gradient_checkpointing: bool
    activation_offload: bool
    chunked_loss: bool
    packed: bool
    master_weights: bool
    upcasts: bool
    flash_attention: bool
    sharding: Sharding
    lean_loss: bool
    given: frozenset[str]

    @property
    def tokens(self) -> int:
        """Tokens of one micro step on one device."""
        return self.sequence_length * self.micro_batch

    @property
    def trains_mlp(self) -> bool:
        """Whether the inputs of the MLPs' matrices are kept: where they are trained, and by
        quantized matrix products (bitsandbytes keeps the input of each)."""
        return self.workload != "lora" or self.lora_targets.startswith("all_linear")

    @property
    def name(self) -> str:
        """The recipe in words, as an answer names it."""
        words = [f"{_METHOD[self.workload]} with {self.trainer} defaults", self.optimizer]
        words.append("32-bit master weights" if self.master_weights else "")
        words.append("optimizer in backward" if self.optimizer_in_backward else "")
        words.append(
            "gradient checkpointing" if self.gradient_checkpointing else "no checkpointing"
        )
        words.append("activation offload" if self.activation_offload else "")
        words.append("chunked loss" if self.chunked_loss else "logits in one piece")
        words.append(f"{self.micro_batch} x {self.sequence_length} tokens")
        words.append(f"sharding {self.sharding}" if self.sharding != "none" else "")
        return ", ".join(word for word in words if word)


_METHOD: Final[dict[Workload, str]] = {
    "inference": "inference",
    "lora": "16-bit LoRA",
    "qlora": "QLoRA",
    "full_finetune": "full fine-tuning in 16 bits",
}


class _Resolver:
    """Takes a switch as given, or its default with an assumption that says how to override it."""

    def __init__(self, options: TrainingOptions, trainer: str) -> None:
        self.options = options
        self.trainer = trainer
        self.assumed: list[Assumption] = []
        self.given: set[str] = set()

    def take(self, name: str, value: _Value | None, default: _Value, note: str = "") -> _Value:
        if value is not None:
            self.given.add(name)
            return value
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        text = f"{shown}; options.{name} overrides" + (f" ({note})" if note else "")
        source = f"default of {self.trainer}"
        self.assumed.append(Assumption(f"options.{name}", "assumed", source, text))
        return default


def resolve_recipe(deployment: Deployment) -> tuple[Recipe, tuple[Assumption, ...]]:
    """The recipe a training plan is computed with, and what was assumed.

    Raises:
        InvalidArgument: switches that contradict each other.
    """
    options, workload = deployment.training, deployment.workload
    trainer = options.recipe or "transformers"
    preset, full = _PRESETS[trainer], workload == "full_finetune"
    found = _Resolver(options, trainer)
    take = found.take
    found.take("recipe", options.recipe, trainer, "torchtune, unsloth, litgpt, axolotl")
    master = take("master_weights", options.master_weights, False) if full else False
    checkpointing = take(
        "gradient_checkpointing", options.gradient_checkpointing, preset.gradient_checkpointing
    )
    offload = preset.activation_offload and checkpointing
    recipe = Recipe(
        trainer=trainer,
        workload=workload,
        sequence_length=options.sequence_length or deployment.context_tokens,
        micro_batch=take("micro_batch", options.micro_batch, deployment.concurrent_sequences),
        lora_rank=_RANK if full else take("lora_rank", options.lora_rank, _RANK),
        lora_targets=(
            "all_linear" if full else take("lora_targets", options.lora_targets, "all_linear")
        ),
        trainable_parameters=options.trainable_parameters,
        optimizer=take("optimizer", options.optimizer, preset.optimizer),
        optimizer_in_backward=bool(options.optimizer_in_backward),
        adapter_bytes=preset.adapter_bytes,
        gradient_bytes=options.gradient_bytes or (2 if full else preset.adapter_bytes),
        accumulates=(options.gradient_accumulation or 2) > 1,
        gradient_checkpointing=checkpointing,
        activation_offload=take("activation_offload", options.activation_offload, offload),
        chunked_loss=take(
            "chunked_loss", options.chunked_loss, preset.chunked_loss, "Liger and cut losses too"
        ),
        packed=take("packed", options.packed, False, "true: every sequence has the full length"),
        master_weights=master,
        upcasts=preset.upcasts,
        flash_attention=deployment.options.flash_attention is not False,
        sharding=_sharding(deployment, found),
        lean_loss=trainer == "transformers"
        and not before(deployment.options.engine_version, TRANSFORMERS_CURRENT),
        given=frozenset(found.given),
    )
    _check(recipe, options)
    return recipe, (_named(recipe), *found.assumed)


def _named(recipe: Recipe) -> Assumption:
    basis = "computed" if {"recipe", "optimizer"} <= recipe.given else "assumed"
    return Assumption("recipe", basis, "named training recipe", recipe.name)


def _sharding(deployment: Deployment, found: _Resolver) -> Sharding:
    devices = [device for device in deployment.accelerators if device.kind != "cpu"]
    if len(devices) < 2:
        return deployment.training.sharding or "none"
    note = "none, layers, zero1, zero2, zero3"
    return found.take("sharding", deployment.training.sharding, "fsdp", note)


def _check(recipe: Recipe, options: TrainingOptions) -> None:
    if recipe.optimizer_in_backward and recipe.accumulates and options.gradient_accumulation:
        raise InvalidArgument(
            "an optimizer in the backward pass cannot accumulate gradients",
            field="options.gradient_accumulation",
            hint="Set gradient_accumulation to 1, or optimizer_in_backward to false.",
        )
    if options.activation_offload and not recipe.gradient_checkpointing:
        raise InvalidArgument(
            "activation_offload moves the checkpoints, and there are none",
            field="options.activation_offload",
            hint="Set gradient_checkpointing to true.",
        )
