"""estimate_vram: resolve, plan, answer."""

from __future__ import annotations

from whichweights.answering import EvidenceLog, gib, gib_or_none
from whichweights.planning.alternatives import find_alternatives
from whichweights.planning.choices import native_format, run_support
from whichweights.planning.formats import Status
from whichweights.planning.limits import find_limits
from whichweights.planning.memory_types import DevicePlan, MemoryPlan
from whichweights.planning.rules_of_thumb import rules_for_inference
from whichweights.planning.running import ChosenRun, PlannedRun, RunRequest, choose_run
from whichweights.planning.speed import estimate_speed
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import Machine, resolve_machine
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights.tools._spec import ToolSpec
from whichweights.tools._vram_text import vram_text
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


async def run(arguments: EstimateVramArguments, session: ProviderSession) -> EstimateVramResult:
    """Plan one run. Raises the errors of resolving, InvalidArgument, UnsupportedArchitecture."""
    _refuse_training(arguments)
    resolved = await resolve_model(session, arguments.model)
    machine = await resolve_machine(session, arguments.accelerators)
    request = run_request(arguments, machine)
    chosen = choose_run(resolved.spec, request)
    record = EvidenceLog()
    _record_inputs(record, resolved, machine, chosen.chosen)
    return _answer(resolved, request, chosen, record)


def _refuse_training(arguments: EstimateVramArguments) -> None:
    if arguments.workload != "inference":
        raise InvalidArgument(
            f"workload {arguments.workload} is not planned by this version",
            field="workload",
            hint="memory for training differs 13-fold between recipes of one model; "
            "only inference is answered",
            suggestions=("inference",),
        )


def run_request(arguments: EstimateVramArguments, machine: Machine) -> RunRequest:
    """The arguments as planning takes them."""
    options = arguments.options.model_dump(exclude_none=True)
    training = {k: v for k, v in options.items() if k in TrainingOptions.model_fields}
    if training:
        name = next(iter(training))
        raise InvalidArgument(
            f"options.{name} is a switch of training, and the workload is inference",
            field=f"options.{name}",
            hint="leave it out",
        )
    return RunRequest(
        accelerators=tuple(machine.accelerators),
        memory=machine.memory,
        quantization=arguments.quantization,
        engine=None if arguments.engine == "auto" else arguments.engine,
        workload=arguments.workload,
        context_tokens=arguments.context_tokens,
        concurrent_sequences=arguments.concurrent_sequences,
        kv_cache_type=None if arguments.kv_cache_type == "auto" else arguments.kv_cache_type,
        options=EngineOptions(**options),
    )


def _record_inputs(
    record: EvidenceLog, resolved: ResolvedModel, machine: Machine, planned: PlannedRun
) -> None:
    spec, plan = resolved.spec, planned.plan
    record.warn(*resolved.notes, *machine.notes, *plan.warnings)
    for entry in spec.evidence[:4]:
        record.add("model", entry.basis, entry.source, date=entry.date)
    if spec.unverified:
        record.warn(f"unverified facts of {spec.id}: {', '.join(spec.unverified[:6])}")
    for device in machine.accelerators[:4]:
        for entry in device.evidence[:2]:
            record.add("devices.total_gib", entry.basis, entry.source, date=entry.date)
        if device.total_note:
            record.warn(f"{device.name}: {device.total_note}")
    for entry in machine.unknown:
        record.unknown(entry.field, entry.reason)
    for part in plan.parts:
        record.add(f"memory_gib.{part.group}", part.basis, part.source)
    for assumption in plan.assumptions:
        record.add(assumption.field, assumption.basis, assumption.source, note=assumption.note)
    _warn_settings(record, spec, planned)


def _warn_settings(record: EvidenceLog, spec: ModelSpec, planned: PlannedRun) -> None:
    deployment = planned.deployment
    window = spec.max_context_tokens
    if window and deployment.context_tokens > window:
        more = (
            f"rope scaling extends it to {spec.extended_context_tokens:,}"
            if spec.extended_context_tokens
            else "nothing that is known here extends it"
        )
        record.warn(
            f"{deployment.context_tokens:,} tokens exceed the model's window of {window:,}; {more}"
        )
    status, reason = run_support(planned.run, deployment.accelerators)
    if status is Status.NO:
        record.warn(f"{planned.run.engine} cannot run {planned.run.quantization} here: {reason}")
    elif status is Status.PARTIAL:
        record.warn(f"{planned.run.quantization} on {planned.run.engine}: {reason}")


def _answer(
    resolved: ResolvedModel, request: RunRequest, chosen: ChosenRun, record: EvidenceLog
) -> EstimateVramResult:
    spec, planned = resolved.spec, chosen.chosen
    plan = planned.plan
    limits = find_limits(planned.planner)
    speed = estimate_speed(planned.planner, plan)
    for field, reason in (*limits.reasons, *speed.reasons):
        record.unknown(field, reason)
    if limits.capped_by_window:
        record.warn("max_context_tokens is the model's own window: more memory adds nothing")
    if speed.basis is not None:
        record.add("speed", speed.basis, speed.source)
    if plan.cache.bytes_per_token is None:
        record.unknown("kv_cache.bytes_per_token", plan.cache.note or "the layers are not known")
    return EstimateVramResult(
        model=_model(resolved),
        settings=_settings(spec, planned, request),
        memory_gib=_memory(plan),
        parts=tuple(
            MemoryPart(name=part.name, gib=gib(part.bytes), basis=part.basis, note=part.note)
            for part in plan.parts
        ),
        kv_cache=KvCacheAnswer(
            bytes_per_token=plan.cache.bytes_per_token,
            architecture_needs_gib=gib_or_none(plan.cache.architecture_needs_bytes),
            engine_reserves_gib=gib_or_none(plan.cache.engine_reserves_bytes),
            note=plan.cache.note,
        ),
        devices=tuple(_device(device) for device in plan.devices),
        verdict=plan.verdict,
        limits=Limits(
            max_context_tokens=limits.max_context_tokens,
            max_concurrent_sequences=limits.max_concurrent_sequences,
            gpu_layers=limits.gpu_layers,
        ),
        speed=Speed(
            decode_tokens_per_second=_rounded(speed.decode),
            prefill_tokens_per_second=_rounded(speed.prefill),
            time_to_first_token_s=_rounded(speed.first_token_s),
            basis=speed.basis,
        ),
        alternatives=tuple(
            Alternative(change=change, total_gib=gib(other.total), verdict=other.verdict)
            for change, other in find_alternatives(spec, request, chosen)
        ),
        rules_of_thumb=tuple(
            RuleOfThumb(rule=r.rule, gib=gib(r.bytes), error_percent=r.error_percent)
            for r in rules_for_inference(spec, plan)
        ),
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
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
        active_parameters=spec.parameters.active,
        source=resolved.provider,
    )


def _settings(spec: ModelSpec, planned: PlannedRun, request: RunRequest) -> ResolvedSettings:
    settings = planned.plan.settings
    shown = {
        name: getattr(settings, name)
        for name in VramOptions.model_fields
        if getattr(settings, name, None) not in (None, False)
        and name not in ("engine_version", "cpu_offload")
    }
    return ResolvedSettings(
        engine=settings.engine,
        engine_version=settings.engine_version,
        workload=request.workload,
        quantization=planned.run.quantization,
        native_quantization=native_format(spec) if spec.native else None,
        context_tokens=settings.context_tokens,
        concurrent_sequences=settings.concurrent_sequences,
        kv_cache_type=settings.kv_cache_type,
        cpu_offload=settings.cpu_offload,
        accelerators=tuple(device.name for device in request.accelerators),
        options=shown,
    )


def _memory(plan: MemoryPlan) -> MemoryGib:
    groups = {name: gib(plan.group_bytes(name)) for name in _GROUPS}
    return MemoryGib(**groups, total=gib(plan.total), low=gib(plan.low), high=gib(plan.high))


def _device(device: DevicePlan) -> DeviceAnswer:
    usable = device.usable_bytes
    return DeviceAnswer(
        name=device.name,
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
        "Will this model fit? GPU memory for running it: weights, KV cache for its real attention "
        "(GQA, MLA, sliding window, hybrid), engine buffers, with a low-high band, verdict, "
        "longest context that fits, speed where measured, and what to change. GiB. "
        "`accelerators` is one machine; compare machines with several calls."
    ),
    arguments=EstimateVramArguments,
    result=EstimateVramResult,
    run=run,
    text=vram_text,
)
