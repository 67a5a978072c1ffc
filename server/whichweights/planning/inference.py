"""The whole plan of an inference deployment: parts, devices, verdict. Pure and deterministic."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from whichweights.planning._cache_figures import cache_figures
from whichweights.planning._edge import last_with_room
from whichweights.planning._machine import (
    host_memory,
    shares_system_memory,
    unused_devices,
    used_devices,
)
from whichweights.planning._placed import Placed
from whichweights.planning._plan_parts import (
    adapter_parts,
    as_prior,
    cache_parts,
    not_loaded,
    plan_warnings,
    state_parts,
)
from whichweights.planning._ranks import pool_of, rank_parts, rank_shares
from whichweights.planning._settings import (
    OFFLOAD_ENGINES,
    RANK_ENGINES,
    max_batched,
    resolve_settings,
)
from whichweights.planning.buffers import (
    EXPERT_COPIES,
    BufferFacts,
    BufferPart,
    buffer_facts,
    engine_buffers,
)
from whichweights.planning.kv_cache import (
    CacheBytes,
    CacheRow,
    cache_bytes,
    cache_rows,
    growth_per_token,
)
from whichweights.planning.memory_types import (
    MemoryPlan,
    Part,
    Settings,
)
from whichweights.planning.placement import (
    Amount,
    DeviceLoad,
    LayerLoad,
    judge,
    split_layers,
    split_ranks,
)
from whichweights.planning.recurrent_state import StateBytes, layer_state, state_per_sequence
from whichweights.planning.runtime import runtime_part
from whichweights.planning.weights import WeightPlan, weigh
from whichweights_schemas.deployment import Deployment
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

__all__ = ["InferencePlanner", "Placed", "plan_inference"]


def plan_inference(spec: ModelSpec, deployment: Deployment) -> MemoryPlan:
    """Every byte of a deployment, where it lies and whether it fits. Bytes, never rounded.

    Raises:
        UnsupportedArchitecture: neither the shape nor the number of parameters is known.
        UnknownQuantization: the format is not known.
        InvalidArgument: settings that contradict each other or the engine.
    """
    return InferencePlanner(spec, deployment).plan()


class InferencePlanner:
    """A deployment with all that does not depend on context, sequences or placement at hand.

    Limits and alternatives ask it again and again with other values.
    """

    def __init__(self, spec: ModelSpec, deployment: Deployment) -> None:
        if deployment.workload != "inference":
            raise InvalidArgument(
                f"this plan is for inference, not {deployment.workload}", field="workload"
            )
        self.spec = spec
        self.deployment = deployment
        self.settings, self.assumptions = resolve_settings(deployment)
        self.weights: WeightPlan = weigh(spec, deployment.quantization, deployment.engine)
        self.facts: BufferFacts = buffer_facts(spec)
        self.state: StateBytes = state_per_sequence(spec)
        self.rows: tuple[CacheRow, ...] | None = cache_rows(spec)
        self.devices = used_devices(deployment.accelerators, self.settings)
        self.memory = host_memory(deployment)
        if self.devices and shares_system_memory(self.devices[0]):
            self.weights = replace(self.weights, embedding_on_host=False)
        self.adapters = adapter_parts(spec, deployment.training)
        self._held_weights = self.weights.parts(self.settings.load_vision, self.settings.load_mtp)
        ranked = self.settings.engine in RANK_ENGINES
        self._rank_parts = rank_parts(spec, self.weights, self.settings) if ranked else ()
        self._block_state = [layer_state(block.attention).bytes for block in spec.blocks]
        self.layers = len(self.weights.layers)
        self.moe_layers = sum(1 for size in self.weights.experts if size)

    @property
    def can_offload(self) -> bool:
        """True when the engine may put layers or experts into system memory of known size."""
        memory = self.memory
        return (
            self.settings.engine in OFFLOAD_ENGINES
            and self.settings.cpu_offload != "none"
            and bool(self.devices)
            and not shares_system_memory(self.devices[0])
            and memory is not None
            and memory.free_bytes is not None
        )

    def place(
        self,
        *,
        context_tokens: int | None = None,
        sequences: int | None = None,
        gpu_layers: int | None = None,
        expert_layers: int = 0,
    ) -> Placed:
        """One placement with other values; everything left out is as in the deployment."""
        settings = self._settings(context_tokens, sequences)
        on_devices = self.layers if gpu_layers is None else min(gpu_layers, self.layers)
        cache = cache_bytes(self.spec, settings, self.rows)
        state = self.state.times(settings.concurrent_sequences)
        buffers = self._buffers(settings, cache, expert_layers > 0)
        ranked = settings.engine in RANK_ENGINES
        parts = (
            *self._held_weights,
            *self.adapters,
            *self._rank_parts,
            *cache_parts(cache, settings),
            *state_parts(state),
            *self._buffer_parts(buffers),
        )
        if self.spec.parameters.total_basis == "prior":
            parts = tuple(as_prior(part) for part in parts)
        loads = self._loads(settings, cache, state, parts, buffers, on_devices, expert_layers)
        offloaded = bool(self.devices) and (on_devices < self.layers or expert_layers > 0)
        verdict = judge(loads, settings.gpu_memory_utilization, offloaded=offloaded)
        pool = None
        if ranked and self.devices:
            held = cache.allocated + cache.copies + state.bytes
            pool = pool_of(settings, loads, held, self._cache_shares(settings, cache, state))
        return Placed(settings, parts, loads, cache, on_devices, expert_layers, verdict, pool)

    def plan(self) -> MemoryPlan:
        """The plan of the deployment, with the offload its settings allow or ask for."""
        placed = self.chosen()
        settings, parts = placed.settings, placed.parts
        share = settings.gpu_memory_utilization
        known = self.weights.layers_known
        loads = placed.loads if known else [replace(load, layers=None) for load in placed.loads]
        devices = tuple(load.plan(share) for load in loads)
        return MemoryPlan(
            settings=settings,
            parts=parts,
            total=sum(part.bytes for part in parts),
            low=sum(part.low for part in parts),
            high=sum(part.high for part in parts),
            cache=cache_figures(
                placed.cache, settings, growth_per_token(self.spec, settings), placed.pool
            ),
            devices=(*devices, *unused_devices(self.deployment.accelerators, len(self.devices))),
            verdict=placed.verdict,
            layers=self.layers if self.weights.layers_known else None,
            layers_on_devices=placed.gpu_layers if self.devices else 0,
            expert_layers_on_host=placed.expert_layers,
            warnings=plan_warnings(
                self.spec,
                placed.settings,
                self.state,
                untried=self._untried(placed),
                scan=settings.engine == "transformers" and self.facts.scan_bytes > 0,
            ),
            assumptions=(*self.assumptions, *not_loaded(self.spec, settings)),
        )

    def chosen(self, **values: int) -> Placed:
        """The placement that the offload settings lead to; see `place` for the values."""
        mode = self.settings.cpu_offload
        if self.settings.gpu_layers is not None and "gpu_layers" not in values:
            return self.place(gpu_layers=self.settings.gpu_layers, **values)
        if mode == "experts" and self.can_offload and self.moe_layers:
            return self.place(expert_layers=self.moe_layers, **values)
        whole = self.place(**values)
        if mode == "layers" and self.can_offload:
            return self._most_layers(values) or whole
        if mode != "auto" or whole.verdict != "does_not_fit" or not self.can_offload:
            return whole
        return self._fewest_experts(values) or self._most_layers(values) or whole

    def room_left(self, **values: int) -> int:
        """Bytes left on the fullest device with everything there; see `place` for the values."""
        return self.place(**values).least_room

    def device_room(self, gpu_layers: int) -> int:
        """Bytes left on the devices with so many whole layers, wherever the others lie."""
        return self.place(gpu_layers=gpu_layers).device_room

    def _fewest_experts(self, values: dict[str, int]) -> Placed | None:
        """The placement with the fewest MoE layers' experts in system memory, if any fits."""
        count = self.moe_layers
        if not count or self.settings.gpu_layers is not None:
            return None

        def kept(layers: int) -> Placed:
            return self.place(expert_layers=count - layers, **values)

        best = kept(0)
        room = best.device_room
        if room < 0:
            return None
        # What the room takes back: exact on one device, else a first guess.
        layers = min(count - 1, room // max(self.weights.experts))
        tried = kept(layers)
        more = layers + 1 < count and kept(layers + 1).device_room >= 0
        if tried.device_room < 0 or more:
            layers = last_with_room(lambda n: kept(n).device_room, count - 1)
            tried = kept(layers)
        return tried if tried.verdict == "fits_with_offload" else None

    def _most_layers(self, values: dict[str, int]) -> Placed | None:
        """The placement with the most whole layers on the devices, if the rest fits the host."""
        low, high = 0, self.layers
        best = self.place(gpu_layers=0, **values)
        while high - low > 1:
            middle = (low + high) // 2
            tried = self.place(gpu_layers=middle, **values)
            if tried.device_room >= 0:
                best, low = tried, middle
            else:
                high = middle
        return best if best.verdict == "fits_with_offload" else None

    def _settings(self, context: int | None, sequences: int | None) -> Settings:
        if context is None and sequences is None:
            return self.settings
        settings = self.settings
        length = context or settings.context_tokens
        asked = self.deployment.options.prompt_tokens
        return replace(
            settings,
            context_tokens=length,
            prompt_tokens=min(asked or length, length),
            concurrent_sequences=sequences or settings.concurrent_sequences,
            max_batched_tokens=max_batched(self.deployment, length),
        )

    def _buffers(
        self,
        settings: Settings,
        cache: CacheBytes,
        experts_on_host: bool,
    ) -> tuple[tuple[BufferPart, ...], ...]:
        """The buffers of every device (of the CPU, when there is none); the first has copies of
        experts that lie in system memory."""
        vendor = (self.devices[0].vendor or "").lower() if self.devices else ""
        engine = engine_buffers(
            self.facts,
            settings,
            cache_bytes=cache.allocated,
            weight_bytes=sum(part.bytes for part in self._held_weights),
            amd=vendor == "amd",
            expert_layer_bytes=max(self.weights.experts) if experts_on_host else 0,
        )
        if not self.devices:
            return (tuple(part for part in engine if part.group != "runtime"),)
        others = engine
        if experts_on_host:
            others = tuple(part for part in engine if part.name != EXPERT_COPIES)
        # Equal devices share one tuple, so that sums need not look at each.
        alike: dict[tuple[bool, str, str | None], tuple[BufferPart, ...]] = {}
        found: list[tuple[BufferPart, ...]] = []
        for index, device in enumerate(self.devices):
            key = (index > 0 and others is not engine, device.kind, device.vendor)
            if key not in alike:
                own = runtime_part(device, self.settings.engine)
                shared = others if index else engine
                alike[key] = (*shared, own) if own else shared
            found.append(alike[key])
        return tuple(found)

    def _buffer_parts(self, buffers: tuple[tuple[BufferPart, ...], ...]) -> tuple[Part, ...]:
        """One line for each kind of buffer, summed over the devices."""
        everywhere, last = self.settings.engine in RANK_ENGINES, len(buffers) - 1
        counts = Counter(
            (id(parts), everywhere or index == last) for index, parts in enumerate(buffers)
        )
        found: dict[str, Part] = {}
        for parts in {id(parts): parts for parts in buffers}.values():
            heads, others = counts[id(parts), True], counts[id(parts), False]
            for part in parts:
                line = part.as_part(heads, others)
                seen = found.get(part.name)
                found[part.name] = line if seen is None else seen.plus(line)
        return tuple(found.values())

    def _loads(
        self,
        settings: Settings,
        cache: CacheBytes,
        state: StateBytes,
        parts: tuple[Part, ...],
        buffers: tuple[tuple[BufferPart, ...], ...],
        gpu_layers: int,
        expert_layers: int,
    ) -> tuple[DeviceLoad, ...]:
        memory = self.memory
        if not self.devices:
            everything = Amount()
            for part in parts:
                everything = everything.plus(Amount(part.bytes, part.low, part.high))
            return (DeviceLoad(memory, everything, Amount(), None),)
        shared = Amount()
        for part in parts:
            if part.group in ("weights", "kv_cache", "recurrent_state"):
                shared = shared.plus(Amount(part.bytes, part.low, part.high))
        if settings.engine in RANK_ENGINES:
            copied = self.weights.embedding if self.weights.tied else 0
            layers = self._layer_load(settings, cache, state, Amount(), Amount())
            shares = rank_shares(settings, layers, copied)
            outside = settings.engine == "sglang"
            return split_ranks(self.devices, shared, shares, buffers, activations_outside=outside)
        slack = Amount(0, shared.bytes - shared.low, shared.high - shared.bytes)
        own = Amount()
        for part in (part for part in parts if part.host):
            own = own.plus(Amount(0, part.bytes - part.low, part.high - part.bytes))
        load = self._layer_load(settings, cache, state, slack.minus(own), own)
        return split_layers(self.devices, memory, load, buffers, gpu_layers, expert_layers)

    def _held_by_layer(self, settings: Settings, cache: CacheBytes, state: StateBytes) -> list[int]:
        """Cache and state of each layer, all sequences."""
        if not (cache.per_layer and self.weights.layers_known):
            together = Amount(cache.allocated + state.bytes)
            return [together.share(index, self.layers).bytes for index in range(self.layers)]
        sequences, own = settings.concurrent_sequences, self._block_state
        each = [held + sequences * kept for held, kept in zip(cache.per_layer, own, strict=True)]
        return [each[index] for index in self.spec.layout]

    def _cache_shares(
        self, settings: Settings, cache: CacheBytes, state: StateBytes
    ) -> tuple[int, ...]:
        """How the ranks divide cache and state: by stage, and equally within one."""
        held = tuple(self._held_by_layer(settings, cache, state))
        load = LayerLoad(held, (), 0, 0, 0, Amount(), Amount())
        return rank_shares(settings, load, 0)

    def _layer_load(
        self,
        settings: Settings,
        cache: CacheBytes,
        state: StateBytes,
        slack: Amount,
        host_slack: Amount,
    ) -> LayerLoad:
        """Weights, cache and state of each layer, and what stands outside the layers."""
        weights, embedding = self.weights, self.weights.embedding
        extra = self._held_by_layer(settings, cache, state)
        first = sum(part.bytes for part in self.adapters)
        first += weights.vision if settings.load_vision else 0
        return LayerLoad(
            layers=tuple(size + more for size, more in zip(weights.layers, extra, strict=True)),
            experts=weights.experts,
            first=(0 if weights.embedding_on_host else embedding) + first,
            last=weights.head + (weights.mtp if settings.load_mtp else 0),
            host=embedding if weights.embedding_on_host else 0,
            slack=slack,
            host_slack=host_slack,
        )

    def _untried(self, placed: Placed) -> bool:
        """True when offload might help and could not be checked."""
        memory = self.memory
        return (
            placed.verdict == "does_not_fit"
            and self.settings.engine in OFFLOAD_ENGINES
            and self.settings.cpu_offload == "auto"
            and bool(self.devices)
            and not shares_system_memory(self.devices[0])
            and (memory is None or memory.free_bytes is None)
        )
