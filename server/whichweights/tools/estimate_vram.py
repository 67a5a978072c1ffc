"""estimate_vram: resolve, plan, answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from whichweights.answering import EvidenceLog, gib, gib_or_none
from whichweights.planning._settings import RANK_ENGINES
from whichweights.planning.choices import native_format, run_support
from whichweights.planning.device_formats import traits
from whichweights.planning.estimate import Estimate, estimate
from whichweights.planning.formats import Status
from whichweights.planning.memory_types import DevicePlan, MemoryPlan
from whichweights.planning.parameters import count_parameters
from whichweights.planning.running import RunRequest
from whichweights.planning.speed import SpeedEstimate
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import Machine, resolve_machine
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights.tools._spec import ToolSpec
from whichweights.tools._vram_text import CANNOT_RUN, vram_text
from whichweights.tools._words import in_words
from whichweights_schemas.deployment import EngineOptions, TrainingOptions
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.evidence import Band
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.estimate_vram import (
    Alternative,
    DeviceAnswer,
    EstimateVramArguments,
    EstimateVramResult,
    KvCacheAnswer,
    Limits,
    MemoryGib,
    MemoryPart,
    ModelSummary,
    ResolvedSettings,
    RuleOfThumb,
    Speed,
    VramOptions,
)

_GROUPS = (
    "weights",
    "kv_cache",
    "recurrent_state",
    "activations",
    "gradients",
    "optimizer",
    "runtime",
)
_MODEL_SOURCES = 3
# Facts of a model that its memory figures stand on.
_MOVES_MEMORY = frozenset(
    {"native", "blocks", "layout", "parameters", "max_context_tokens", "tied_embeddings"}
)
_MOST_DEVICE_ROWS = 4
# Engine switches that a training run knows too.
_FOR_BOTH = frozenset({"engine_version", "flash_attention"})
_ADAPTER = frozenset({"lora_rank", "lora_targets"})
"""At inference these size the adapter that is served beside the weights."""


async def run(arguments: EstimateVramArguments, session: ProviderSession) -> EstimateVramResult:
    """Plan one run. Raises the errors of resolving, InvalidArgument, UnsupportedArchitecture."""
    resolved = await resolve_model(session, arguments.model)
    machine = await resolve_machine(session, arguments.accelerators)
    request = run_request(arguments, machine)
    found = estimate(resolved.spec, request)
    record = EvidenceLog()
    _record_inputs(record, resolved, machine, found)
    return _answer(resolved, machine, found, record)


def run_request(arguments: EstimateVramArguments, machine: Machine) -> RunRequest:
    """The arguments as planning takes them."""
    given = arguments.options.model_dump(exclude_none=True)
    training = {k: v for k, v in given.items() if k in TrainingOptions.model_fields}
    running = {k: v for k, v in given.items() if k in EngineOptions.model_fields}
    _refuse_strays(arguments, training, running)
    return RunRequest(
        accelerators=tuple(machine.accelerators),
        memory=machine.memory,
        quantization=arguments.quantization,
        engine=None if arguments.engine == "auto" else arguments.engine,
        workload=arguments.workload,
        context_tokens=arguments.context_tokens,
        concurrent_sequences=arguments.concurrent_sequences,
        kv_cache_type=None if arguments.kv_cache_type == "auto" else arguments.kv_cache_type,
        options=EngineOptions(**running),
        training=TrainingOptions(**training),
    )


def _refuse_strays(
    arguments: EstimateVramArguments, training: dict[str, object], running: dict[str, object]
) -> None:
    """Switches that do nothing for this workload are refused, not dropped."""
    inference = arguments.workload == "inference"
    given, shared = (training, _ADAPTER) if inference else (running, _FOR_BOTH)
    strays = {name: value for name, value in given.items() if name not in shared}
    if strays:
        name = next(iter(strays))
        kind = "training" if inference else "inference"
        raise InvalidArgument(
            f"options.{name} is a switch of {kind}, and the workload is {arguments.workload}",
            field=f"options.{name}",
            hint="leave it out",
        )


def _record_inputs(
    record: EvidenceLog, resolved: ResolvedModel, machine: Machine, found: Estimate
) -> None:
    spec, plan = resolved.spec, found.plan
    if spec.revision is None and resolved.provider != "generic":
        record.unknown("model.revision", "its facts were not read at one revision")
    if _active(spec) is None:
        record.unknown("model.active_parameters", "not stated, and the shape is not known")
    _warn_of_support(record, found)
    record.warn(*resolved.notes, *machine.notes, *plan.warnings)
    for entry in spec.evidence[:_MODEL_SOURCES]:
        record.add("model", entry.basis, entry.source, date=entry.date)
    doubtful = [name for name in spec.unverified if name.partition(".")[0] in _MOVES_MEMORY]
    if doubtful:
        record.warn(f"not verified of {spec.id}: {in_words(doubtful)}")
    _record_devices(record, machine)
    for part in plan.parts:
        record.add(f"memory_gib.{part.group}", part.basis, part.source)
    for assumption in plan.assumptions:
        record.add(assumption.field, assumption.basis, assumption.source, note=assumption.note)


def _record_devices(record: EvidenceLog, machine: Machine) -> None:
    """Sources of the sizes; a size that a setting of the system moves is worth a warning."""
    for device in {device.name: device for device in machine.accelerators}.values():
        about = [entry for entry in device.evidence if "total_bytes" in entry.fields]
        for entry in about or device.evidence[:1]:
            note = entry.note or device.total_note
            record.add("devices.total_gib", entry.basis, entry.source, date=entry.date, note=note)
        if device.total_note and (device.kind == "apple" or device.unified_memory):
            record.warn(f"{device.name}: {device.total_note}")
    for entry in machine.unknown:
        record.unknown(entry.field, entry.reason)


def _warn_of_support(record: EvidenceLog, found: Estimate) -> None:
    run, devices = found.run, found.deployment.accelerators
    status, reason = run_support(run, devices)
    if status is Status.NO:
        record.warn(f"{run.engine} {CANNOT_RUN} {run.quantization} here: {reason}")
    elif status is Status.PARTIAL:
        record.warn(f"{run.quantization} on {run.engine}: {reason}")
    elif status is Status.UNKNOWN and all(traits(device) for device in devices):
        record.warn(f"whether {run.engine} runs {run.quantization} here is not known: {reason}")


def _answer(
    resolved: ResolvedModel, machine: Machine, found: Estimate, record: EvidenceLog
) -> EstimateVramResult:
    plan, limits, speed = found.plan, found.limits, found.speed
    _record_unknowns(record, found)
    sequences = plan.cache.pool_sequences
    return EstimateVramResult(
        model=_model(resolved),
        settings=_settings(resolved.spec, found, machine),
        memory_gib=_memory(plan),
        parts=tuple(
            MemoryPart(name=part.name, gib=gib(part.bytes), basis=part.basis, note=part.note)
            for part in plan.parts
        ),
        kv_cache=KvCacheAnswer(
            bytes_per_token=plan.cache.bytes_per_token,
            architecture_needs_gib=gib_or_none(plan.cache.architecture_needs_bytes),
            engine_reserves_gib=gib_or_none(plan.cache.engine_reserves_bytes),
            pool_tokens=plan.cache.pool_tokens,
            pool_sequences=None if sequences is None else round(sequences, 2),
            note=plan.cache.note,
        ),
        devices=_devices(plan.devices),
        verdict=plan.verdict,
        limits=Limits(
            max_context_tokens=limits.max_context_tokens,
            max_concurrent_sequences=limits.max_concurrent_sequences,
            gpu_layers=limits.gpu_layers,
        ),
        speed=_speed(speed),
        alternatives=tuple(
            Alternative(change=change, total_gib=gib(other.total), verdict=other.verdict)
            for change, other in found.alternatives
        ),
        rules_of_thumb=tuple(
            RuleOfThumb(rule=r.rule, gib=gib(r.bytes), error_percent=r.error_percent)
            for r in found.rules
        ),
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def _record_unknowns(record: EvidenceLog, found: Estimate) -> None:
    plan, limits, speed = found.plan, found.limits, found.speed
    if any(device.total_bytes is None and device.kind == "cpu" for device in plan.devices):
        record.unknown("devices.system memory", 'not given: add an accelerator such as "64GiB RAM"')
    for field, reason in (*((f"limits.{f}", r) for f, r in limits.reasons), *speed.reasons):
        record.unknown(field, reason)
    if limits.capped_by_window:
        note = "the model's own window: more memory adds nothing"
        record.add("limits.max_context_tokens", "computed", "bisection over the plan", note=note)
    if speed.basis is not None:
        record.add("speed", speed.basis, speed.source)
    if plan.cache.bytes_per_token is None:
        record.unknown("kv_cache.bytes_per_token", plan.cache.note or "the layers are not known")


def _speed(speed: SpeedEstimate) -> Speed:
    return Speed(
        decode_tokens_per_second=_rounded(speed.decode),
        prefill_tokens_per_second=_rounded(speed.prefill),
        time_to_first_token_s=_rounded(speed.first_token_s),
        basis=speed.basis,
    )


def _rounded(band: Band | None) -> Band | None:
    if band is None:
        return None
    return Band(value=round(band.value, 1), low=round(band.low, 1), high=round(band.high, 1))


def _model(resolved: ResolvedModel) -> ModelSummary:
    spec = resolved.spec
    return ModelSummary(
        id=spec.id,
        revision=spec.revision,
        architecture=spec.architecture,
        parameters=spec.parameters.total,
        active_parameters=_active(spec),
        source=resolved.provider,
    )


def _active(spec: ModelSpec) -> int | None:
    """Weights one token touches: as stated, else from the shape; of a dense model nearly all."""
    stated = spec.parameters.active
    if stated is not None:
        return stated
    counted = count_parameters(spec)
    return counted.active if counted else None


def _settings(spec: ModelSpec, found: Estimate, machine: Machine) -> ResolvedSettings:
    settings = found.plan.settings
    shown = {
        name: getattr(settings, name)
        for name in VramOptions.model_fields
        if getattr(settings, name, None) not in (None, False)
        and name not in ("engine_version", "cpu_offload")
    }
    if settings.engine not in RANK_ENGINES:
        shown = {name: value for name, value in shown.items() if not name.endswith("_parallel")}
    if settings.prompt_tokens == settings.context_tokens:
        del shown["prompt_tokens"]
    if found.training_switches:
        shown = found.training_switches
    return ResolvedSettings(
        engine=settings.engine,
        engine_version=settings.engine_version,
        workload=found.deployment.workload,
        quantization=found.run.quantization,
        native_quantization=native_format(spec) if spec.native else None,
        context_tokens=settings.context_tokens,
        concurrent_sequences=settings.concurrent_sequences,
        kv_cache_type=settings.kv_cache_type,
        cpu_offload=settings.cpu_offload,
        accelerators=machine.names,
        options=shown,
    )


def _memory(plan: MemoryPlan) -> MemoryGib:
    groups = {name: gib(plan.group_bytes(name)) for name in _GROUPS}
    return MemoryGib(**groups, total=gib(plan.total), low=gib(plan.low), high=gib(plan.high))


def _devices(plans: Sequence[DevicePlan]) -> tuple[DeviceAnswer, ...]:
    """One row a device; of many devices equal rows are counted together."""
    rows = [_device(plan) for plan in plans]
    if len(rows) <= _MOST_DEVICE_ROWS:
        return tuple(rows)
    counts = Counter(rows)
    return tuple(row.model_copy(update={"count": count}) for row, count in counts.items())


def _device(device: DevicePlan) -> DeviceAnswer:
    usable = device.usable_bytes
    return DeviceAnswer(
        name=device.name,
        kind=device.kind,
        total_gib=gib_or_none(device.total_bytes),
        free_gib=gib_or_none(device.free_bytes),
        needed_gib=gib(device.needed_bytes),
        headroom_gib=None if usable is None else gib(usable - device.needed_bytes),
        layers=device.layers,
    )


SPEC = ToolSpec(
    name="estimate_vram",
    title="Estimate VRAM",
    description=(
        "Will this model fit, to run or to fine-tune? Memory (GiB) by part for its real attention "
        "and engine, band, verdict, longest context that fits, decode speed, what to change."
    ),
    arguments=EstimateVramArguments,
    result=EstimateVramResult,
    run=run,
    text=vram_text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)
