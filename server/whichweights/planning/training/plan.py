"""The whole plan of a fine-tuning run: parts, devices, verdict. Pure and deterministic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from whichweights.planning._settings import resolve_settings
from whichweights.planning.memory_types import (
    CacheFigures,
    MemoryPlan,
    Part,
    Settings,
    Verdict,
)
from whichweights.planning.placement import Amount, DeviceLoad, judge, least_room
from whichweights.planning.runtime import runtime_part
from whichweights.planning.training.activations import activation_shape
from whichweights.planning.training.bands import (
    FACTORS,
    FOLLOWS_LAYERS,
    ActivationTerms,
    Factors,
    activation_parts,
    activation_terms,
)
from whichweights.planning.training.recipes import Recipe, resolve_recipe
from whichweights.planning.training.states import (
    States,
    share_of,
    training_states,
    training_weights,
)
from whichweights.planning.weights import WeightPlan
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Deployment
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

__all__ = ["PlacedTraining", "TrainingPlanner", "plan_training"]

_NO_CACHE = "training keeps no KV cache"


def plan_training(spec: ModelSpec, deployment: Deployment) -> MemoryPlan:
    """Every byte of a fine-tuning run, where it lies and whether it fits. Bytes, never rounded.

    Raises:
        UnsupportedArchitecture: neither the shape nor the number of parameters is known.
        UnknownQuantization: the format is not known.
        InvalidArgument: switches that contradict each other, or a format nobody trains on.
    """
    return TrainingPlanner(spec, deployment).plan()


@dataclass(frozen=True, slots=True)
class PlacedTraining:
    """One length and batch tried: the parts, the loads they make, and what the verdict would be."""

    recipe: Recipe
    parts: tuple[Part, ...]
    loads: tuple[DeviceLoad, ...]
    offloaded_bytes: int
    verdict: Verdict


class TrainingPlanner:
    """A training deployment with all that does not depend on length and batch at hand."""

    def __init__(self, spec: ModelSpec, deployment: Deployment, factors: Factors = FACTORS) -> None:
        _check(deployment)
        self.spec = spec
        self.deployment = deployment
        self.factors = factors
        self.recipe, self.assumptions = resolve_recipe(deployment)
        settings, _ = resolve_settings(deployment.model_copy(update={"engine": "transformers"}))
        self.settings: Settings = replace(
            settings,
            context_tokens=self.recipe.sequence_length,
            prompt_tokens=self.recipe.sequence_length,
            concurrent_sequences=self.recipe.micro_batch,
            flash_attention=self.recipe.flash_attention,
            load_vision=True,
            load_mtp=False,
        )
        self.weights: WeightPlan = training_weights(spec, deployment)
        self.states: States = training_states(spec, self.weights, self.recipe)
        self.shape = activation_shape(spec, trains_mlp=self.recipe.trains_mlp)
        found = tuple(device for device in deployment.accelerators if device.kind != "cpu")
        self.devices: tuple[Accelerator, ...] = found
        self.memory = next(
            (device for device in deployment.accelerators if device.kind == "cpu"),
            deployment.memory,
        )
        # What no length and no batch changes: limits ask for many of both.
        self.count = max(1, len(self.devices))
        sharding = self.recipe.sharding
        self._places: tuple[Accelerator | None, ...] = self.devices or (self.memory,)
        self._runtime = tuple(runtime_part(device, self.settings.engine) for device in self._places)
        self._state_cuts = [
            (part, share_of(part, sharding, self.count)) for part in self.states.parts
        ]
        self._state_amounts = _shared_out(self._state_cuts, [Amount()] * self.count)

    def terms(self, recipe: Recipe | None = None) -> ActivationTerms:
        """The activation terms of one device, before the fitted factors."""
        recipe = recipe or self.recipe
        cut = 1
        for part in self.states.parts:
            if part.group == "gradients":
                cut = share_of(part, recipe.sharding, max(1, len(self.devices)))
        return activation_terms(
            self.shape,
            recipe,
            gradients=self.states.gradients // cut,
            largest_matrix=self.states.largest_matrix,
        )

    def place(
        self, *, sequence_length: int | None = None, micro_batch: int | None = None
    ) -> PlacedTraining:
        """The run with another length or batch; what is left out is as in the deployment."""
        recipe = self._recipe(sequence_length, micro_batch)
        terms = self.terms(recipe)
        own = self._own_cuts(recipe, terms)
        loads = self._loads(own)
        lines = [_times(part, self.count // cut) for part, cut in (*self._state_cuts, *own)]
        offloaded = terms.offloaded * self.count
        verdict = judge(loads, None, offloaded=False)
        return PlacedTraining(recipe, self._with_runtime(lines), loads, offloaded, verdict)

    def room_left(
        self, *, sequence_length: int | None = None, micro_batch: int | None = None
    ) -> int:
        """Bytes left at the high end on the fullest device, negative where it does not fit."""
        recipe = self._recipe(sequence_length, micro_batch)
        return least_room(self._loads(self._own_cuts(recipe, self.terms(recipe))), None)

    def _recipe(self, sequence_length: int | None, micro_batch: int | None) -> Recipe:
        if sequence_length is None and micro_batch is None:
            return self.recipe
        return replace(
            self.recipe,
            sequence_length=sequence_length or self.recipe.sequence_length,
            micro_batch=micro_batch or self.recipe.micro_batch,
        )

    def _own_cuts(self, recipe: Recipe, terms: ActivationTerms) -> list[tuple[Part, int]]:
        """What one device adds to the states, each with the number of devices that share it."""
        own = (
            *activation_parts(
                terms,
                recipe,
                known=self.shape.known,
                weight_bytes=self._weight_bytes(),
                factors=self.factors,
            ),
            *self._gathered(recipe, self.count),
        )
        own = (*own, *self._step(recipe, own))
        layers = recipe.sharding == "layers"
        return [(part, self.count if layers and part.name in FOLLOWS_LAYERS else 1) for part in own]

    def _weight_bytes(self) -> int:
        """Weights on one device."""
        return sum(part.bytes // cut for part, cut in self._state_cuts if part.group == "weights")

    def _loads(self, own: list[tuple[Part, int]]) -> tuple[DeviceLoad, ...]:
        """States, activations and runtime of each device."""
        amounts = _shared_out(own, self._state_amounts)
        return tuple(
            DeviceLoad(
                device,
                amount,
                Amount() if part is None else Amount(part.bytes, part.low, part.high),
                None,
            )
            for device, amount, part in zip(self._places, amounts, self._runtime, strict=True)
        )

    def _with_runtime(self, lines: list[Part]) -> tuple[Part, ...]:
        """The lines with one for each kind of runtime, summed over the devices."""
        for part in self._runtime:
            if part is None:
                continue
            line = part.as_part(1, 0)
            same = next((at for at, old in enumerate(lines) if old.name == line.name), None)
            if same is None:
                lines.append(line)
            else:
                lines[same] = lines[same].plus(line)
        return tuple(lines)

    def _step(self, recipe: Recipe, own: tuple[Part, ...]) -> tuple[Part, ...]:
        """What AdamW's step holds beyond the activations it comes after: PyTorch's default steps
        all weights at once, with one more value a weight. Full fine-tunes of seven models with
        transformers 5.17 (one H100, 2026-11-27) peaked at five times the 16-bit weights."""
        plain = recipe.optimizer == "adamw" and not recipe.optimizer_in_backward
        if recipe.master_weights or recipe.trainer != "transformers" or not plain:
            return ()
        if recipe.workload != "full_finetune":
            return ()
        states = sum(
            part.bytes // cut for part, cut in self._state_cuts if part.group == "optimizer"
        )
        layers = self.count if recipe.sharding == "layers" else 1
        alive = sum(
            part.bytes // (layers if part.name in FOLLOWS_LAYERS else 1)
            for part in own
            if part.name != "training workspace"
        )
        one = states // 2
        if one <= alive:
            return ()
        size, source = one - alive, "PyTorch's AdamW, foreach; none when fused"
        return (Part("optimizer step", "activations", size, 0, size, "fitted", source),)

    def _gathered(self, recipe: Recipe, count: int) -> tuple[Part, ...]:
        """What a fully sharded run gathers: the layer at work and the one fetched ahead."""
        if recipe.sharding not in ("zero3", "fsdp") or count < 2:
            return ()
        layer = self.states.largest_layer
        missing = 2 * (layer - layer // count)
        return (
            Part(
                "gathered layers",
                "activations",
                *(missing, missing // 2, 2 * missing),
                "computed",
                "two whole layers, one of them fetched ahead (FSDP backward prefetch)",
            ),
        )

    def plan(self) -> MemoryPlan:
        """The plan of the deployment, with the recipe named in its assumptions."""
        placed = self.place()
        parts = placed.parts
        return MemoryPlan(
            settings=self.settings,
            parts=parts,
            total=sum(part.bytes for part in parts),
            low=sum(part.low for part in parts),
            high=sum(part.high for part in parts),
            cache=CacheFigures(0, 0, None, "exact", _NO_CACHE),
            devices=tuple(load.plan(None) for load in placed.loads),
            verdict=placed.verdict,
            layers=self.spec.layers,
            layers_on_devices=self.spec.layers if self.devices else 0,
            expert_layers_on_host=0,
            warnings=self._warnings(placed),
            assumptions=self.assumptions,
        )

    def _warnings(self, placed: PlacedTraining) -> tuple[str, ...]:
        found: list[str] = []
        window, length = self.spec.max_context_tokens, placed.recipe.sequence_length
        if window is not None and length > window:
            found.append(f"sequence_length {length} is beyond the model's window of {window}")
        if not self.shape.known:
            found.append("the layers of this model are not known: activations follow its size")
        experts = next((part for part in placed.parts if part.basis == "fitted"), None)
        if experts is not None and experts.name == "weights" and experts.note:
            found.append(experts.note)
        if self.deployment.engine == "mlx":
            found.append("no fine-tuning run on mlx was measured: the bands are those of CUDA")
        if placed.offloaded_bytes:
            size = placed.offloaded_bytes / 2**30
            found.append(f"{size:.1f} GiB of checkpoints lie in system memory, not in the total")
        if self.deployment.workload == "full_finetune" and self.spec.parameters.vision:
            found.append("the vision tower is counted as frozen")
        return tuple(found)


def _check(deployment: Deployment) -> None:
    if deployment.workload == "inference":
        raise InvalidArgument("this plan is for training, not inference", field="workload")
    if deployment.engine not in ("transformers", "mlx"):
        raise InvalidArgument(
            f"{deployment.engine} serves models and trains none",
            field="engine",
            hint="Leave engine at auto, or name transformers.",
        )


def _times(part: Part, count: int) -> Part:
    if count == 1:
        return part
    return replace(part, bytes=part.bytes * count, low=part.low * count, high=part.high * count)


def _shared_out(cuts: list[tuple[Part, int]], amounts: list[Amount]) -> list[Amount]:
    """The amounts of the devices with these parts: shared by as many devices as the cut says."""
    found = list(amounts)
    for part, cut in cuts:
        whole = Amount(part.bytes, part.low, part.high)
        for index, held in enumerate(found):
            found[index] = held.plus(whole.share(index, cut) if cut > 1 else whole)
    return found
