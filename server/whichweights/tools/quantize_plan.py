"""quantize_plan: what a tag means, and which format of a model for this memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from whichweights.answering import GIB, EvidenceLog, gib_or_none
from whichweights.planning.formats import DecodedTag, Status, canonical_format, decode_tag
from whichweights.planning.quantize import (
    BALANCED_LOSS,
    I_QUANT_SPEED,
    I_QUANT_SPEED_DATE,
    NOT_CONSIDERED,
    FormatOption,
    FormatPlans,
    is_balanced,
    is_k_quant,
    is_slow_here,
    plan_formats,
    serving_engine,
)
from whichweights.planning.quantize_cache import cache_choices
from whichweights.planning.quantize_making import recipe_of, recipe_without_engine
from whichweights.planning.quantize_ways_out import ways_out
from whichweights.planning.recipes import OWN_ENGINES, Recipe
from whichweights.planning.running import RunRequest, default_context
from whichweights.planning.weights import weigh
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import Machine, resolve_machine
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights.tools._quantize_providers import (
    Relatives,
    ready_made,
    relatives_of,
    smaller_sibling,
)
from whichweights.tools._quantize_rows import (
    cache_plan,
    file_of,
    plan_row,
    step_rows,
    tensor_rows,
    with_commands,
    with_copies,
)
from whichweights.tools._quantize_text import (
    SLOW_I_QUANTS,
    left_out_rows,
    quantize_text,
    way_out_words,
)
from whichweights.tools._spec import ToolSpec
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.quantize_plan import (
    CachePlan,
    FormatPlan,
    PlanStep,
    QuantizePlanArguments,
    QuantizePlanResult,
    QuantizeSettings,
    TagMeaning,
)

_ALSO_SHOWN: Final = 4
_LEAVE_OUT: Final = "leave out tag: other formats of this model are then planned"


@dataclass(frozen=True)
class _Question:
    """Everything resolved: the model, the machine, and the one format that was asked for."""

    arguments: QuantizePlanArguments
    resolved: ResolvedModel
    machine: Machine
    request: RunRequest
    only: str | None

    @property
    def spec(self) -> ModelSpec:
        return self.resolved.spec


@dataclass(frozen=True)
class _Extras:
    """What stands around the plans: commands, published copies, ways out, cache by type."""

    rows: tuple[FormatPlan, ...]
    ways: tuple[str, ...]
    steps: tuple[PlanStep, ...]
    cache: CachePlan | None = None


async def run(arguments: QuantizePlanArguments, session: ProviderSession) -> QuantizePlanResult:
    """Explain the tag, plan the model, or both. Raises InvalidArgument, UnknownQuantization, and
    the errors of resolving."""
    record = EvidenceLog()
    decoded = decode_tag(arguments.tag) if arguments.tag is not None else None
    meaning = _meaning(decoded, record) if decoded is not None else None
    if arguments.model is None:
        if meaning is None:
            raise InvalidArgument(
                "model or tag is required",
                field="model",
                hint='give model="llama 3.1 8b" for plans, tag="Q4_K_M" for what a tag means',
            )
        return QuantizePlanResult(
            tag_meaning=meaning,
            warnings=record.warnings,
            evidence=record.evidence,
            unknown=record.unknowns,
        )
    question = await _resolve(arguments, arguments.model, decoded, session, record)
    plans = plan_formats(
        question.spec,
        question.request,
        arguments.quality,
        only=question.only,
        imatrix=decoded is not None and decoded.imatrix is True,
    )
    _record(question, plans, record)
    extras = await _extras(question, plans, session, record)
    if meaning is not None:
        # The tensors of this very model stand in the answer: those of the reference one would
        # only repeat them.
        meaning = meaning.model_copy(update={"tensors": ()})
    return _answer(question, plans, meaning, extras, record)


async def _resolve(
    arguments: QuantizePlanArguments,
    model: str,
    decoded: DecodedTag | None,
    session: ProviderSession,
    record: EvidenceLog,
) -> _Question:
    resolved = await resolve_model(session, model)
    if arguments.target_gib is not None:
        machine = Machine(accelerators=[_target(arguments.target_gib)])
        if arguments.accelerators != ("live",):
            record.warn("target_gib replaces accelerators: those were not looked at")
    else:
        machine = await resolve_machine(session, arguments.accelerators)
    request = RunRequest(
        accelerators=tuple(machine.accelerators),
        memory=machine.memory,
        engine=None if arguments.engine == "auto" else arguments.engine,
        context_tokens=arguments.context_tokens,
        concurrent_sequences=arguments.concurrent_sequences,
    )
    return _Question(arguments, resolved, machine, request, _only(decoded, record))


def _target(size_gib: float) -> Accelerator:
    size = int(size_gib * GIB)
    return Accelerator(
        name=f"{size_gib:g} GiB target",
        total_bytes=size,
        free_bytes=size,
        total_basis="assumed",
        total_note="as given",
    )


def _only(decoded: DecodedTag | None, record: EvidenceLog) -> str | None:
    if decoded is None:
        return None
    if decoded.removed and decoded.replacement is not None:
        record.warn(f"{decoded.canonical} no longer loads: planned as {decoded.replacement}")
        return decoded.replacement
    return canonical_format(decoded.text, field="tag")


def _meaning(decoded: DecodedTag, record: EvidenceLog) -> TagMeaning:
    record.add("tag_meaning", decoded.basis, decoded.source, date=decoded.date)
    if decoded.bits_per_weight is None:
        record.unknown("tag_meaning.bits_per_weight", decoded.bits_note)
    notes = [] if decoded.bits_per_weight is None else [f"bits: {decoded.bits_note}"]
    if decoded.calibration != "none":
        notes.append(f"calibration: {decoded.calibration}")
    return TagMeaning(
        tag=decoded.text,
        format=decoded.canonical,
        container=decoded.container,
        meaning=decoded.meaning,
        lineage=decoded.family.value,
        nominal_bits=decoded.nominal_bits,
        bits_per_weight=decoded.bits_per_weight,
        bits_per_weight_model=decoded.bits_model,
        block_layout=decoded.block_layout,
        tensors=decoded.tensor_types,
        notes=(*notes, *decoded.notes),
    )


def _record(question: _Question, plans: FormatPlans, record: EvidenceLog) -> None:
    """Inputs, and what this version leaves out."""
    spec, machine = question.spec, question.machine
    record.warn(*question.resolved.notes, *machine.notes)
    for entry in spec.evidence[:1]:
        record.add("model", entry.basis, entry.source, date=entry.date)
    for device in machine.accelerators[:2]:
        for entry in device.evidence[:1]:
            source, _, _ = entry.source.partition("; ")
            short = source.partition(" (")[0]
            record.add("settings.accelerators", entry.basis, short, date=entry.date)
    for gap in machine.unknown:
        record.unknown(gap.field, gap.reason)
    if spec.native is None:
        record.unknown("settings.native_format", "not known: 16 bits were assumed")
    if question.only is None:
        record.unknown("plans", NOT_CONSIDERED)
    if plans.ranked:
        _record_plans(question, plans, record)


def _record_plans(question: _Question, plans: FormatPlans, record: EvidenceLog) -> None:
    shown = plans.ranked[: question.arguments.limit]
    reasons: dict[str, list[str]] = {}
    for option in shown:
        weights = option.planned.planner.weights
        source = weights.source.partition(" (")[0]
        record.add(("plans.file_gib", "plans.bits_per_weight"), weights.basis, source)
        if option.loss is not None:
            loss = option.loss
            source = loss.source.partition(" (")[0]
            record.add("plans.quality_loss", "published", source, date=loss.date)
        for reason in (*weights.notes, *_support_limits(option)):
            reasons.setdefault(reason, []).append(option.name)
    record.add("plans.total_gib", "fitted", "weights, KV cache, buffers, runtime")
    record.warn(*shown[0].plan.warnings)
    for reason, names in reasons.items():
        record.warn(f"{', '.join(names)}: {reason}")
    _hint(question, plans, record)


def _support_limits(option: FormatOption) -> Iterator[str]:
    """What limits the engine here. GGUF runs on every backend, so an unknown device is no limit."""
    if option.planned.run.engine in ("llama.cpp", "ollama") and option.support is Status.UNKNOWN:
        return
    if option.support in (Status.UNKNOWN, Status.PARTIAL):
        yield option.support_reason


def _quicker(plans: FormatPlans) -> str:
    """The K-quant to take instead, where one loses no more than `balanced` accepts."""
    k_quants = (option for option in plans.ranked if is_k_quant(option) and is_balanced(option))
    found = next(k_quants, None)
    return "" if found is None else f"; {found.name} is the K-quant to take instead"


def _hint(question: _Question, plans: FormatPlans, record: EvidenceLog) -> None:
    shown = plans.ranked[: question.arguments.limit]
    quality = question.arguments.quality
    if quality == "balanced" and question.only is None and not is_balanced(shown[0]):
        record.warn(f"nothing that loses at most {BALANCED_LOSS:g} (mean KLD) fits")
    if question.only is None and is_slow_here(shown[0], question.request.accelerators):
        record.warn(f"{SLOW_I_QUANTS}{_quicker(plans)}")
        record.add("warnings", "published", I_QUANT_SPEED, date=I_QUANT_SPEED_DATE)
    serving = serving_engine(question.spec, question.request.accelerators)
    engines = {option.planned.run.engine for option in shown}
    if question.request.engine is None and serving is not None and serving not in engines:
        record.warn(f"to serve many users, engine={serving} ranks the formats it runs")


def _answer(
    question: _Question,
    plans: FormatPlans,
    meaning: TagMeaning | None,
    extras: _Extras,
    record: EvidenceLog,
) -> QuantizePlanResult:
    spec, arguments = question.spec, question.arguments
    memory = question.machine.memory
    one = plans.options[0] if question.only is not None and plans.options else None
    file = file_of(spec, one) if one is not None else None
    if file is not None:
        low, high = file.band
        header = f"header {file.header.bytes:,} bytes, file {low:,} to {high:,}"
        record.add("tensors", "computed", file.mixture.source, note=header)
    return QuantizePlanResult(
        model=spec.id,
        settings=QuantizeSettings(
            accelerators=question.machine.names,
            system_memory_gib=gib_or_none(memory.free_bytes) if memory else None,
            context_tokens=default_context(spec, arguments.context_tokens),
            concurrent_sequences=arguments.concurrent_sequences,
            quality=arguments.quality,
            native_format=spec.native.format if spec.native else None,
        ),
        tag_meaning=meaning,
        plans=extras.rows,
        also_fit=tuple(option.name for option in plans.ranked[arguments.limit :][:_ALSO_SHOWN]),
        excluded=left_out_rows(plans.left_out),
        steps=extras.steps,
        kv_cache=extras.cache,
        tensor_types=None if file is None else file.mixture.counts,
        tensors=() if file is None else tensor_rows(file),
        if_nothing_fits=extras.ways,
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


async def _extras(
    question: _Question, plans: FormatPlans, session: ProviderSession, record: EvidenceLog
) -> _Extras:
    """The rows of the plans, what providers are asked for, and what only the first plan has."""
    spec = question.spec
    shown = plans.ranked[: question.arguments.limit]
    rows = [plan_row(spec, rank, option, record) for rank, option in enumerate(shown, start=1)]
    relatives = await relatives_of(spec, session)
    ways = await _if_nothing_fits(question, plans, relatives, session)
    if not rows:
        return _Extras((), ways, ())
    first = shown[0]
    recipe = recipe_of(spec, first)
    rows[0] = with_commands(rows[0], recipe, record, alone=question.only is not None)
    copies = await ready_made(first, relatives, session)
    if copies.files:
        rows[0] = with_copies(rows[0], copies.files)
        record.add("plans.ready_made", "exact", "file sizes as the Hub lists them")
    else:
        record.unknown("plans.ready_made", copies.reason)
    made_here = not copies.files and question.only is not None
    cache = cache_plan(
        cache_choices(
            spec,
            question.request,
            plans,
            first,
            question.arguments.quality,
            every=question.only is not None,
        )
    )
    if cache is not None and cache.smaller and question.only is not None:
        record.unknown("kv_cache", "no comparable measurement of what smaller types lose")
    return _Extras(
        tuple(rows),
        ways,
        step_rows(recipe) if made_here else (),
        cache,
    )


async def _if_nothing_fits(
    question: _Question, plans: FormatPlans, relatives: Relatives, session: ProviderSession
) -> tuple[str, ...]:
    quality = question.arguments.quality
    ways = ways_out(question.spec, question.request, plans, quality)
    lines = [way_out_words(way) for way in ways]
    if plans.ranked:
        return tuple(lines)
    made = tuple(_made_elsewhere(question, plans))
    if made:
        return (*made, _LEAVE_OUT)
    if question.only is not None:
        lines.append(_LEAVE_OUT)
    sibling = await smaller_sibling(question.spec, question.request, relatives, session)
    if sibling is not None:
        lines.append(sibling)
    return tuple(lines)


def _made_elsewhere(question: _Question, plans: FormatPlans) -> Iterator[str]:
    """How to make a format that no engine planned here reads."""
    if question.only is None or not any(left.kind == "unsupported" for left in plans.left_out):
        return
    recipe = recipe_without_engine(question.spec, question.only)
    if isinstance(recipe, Recipe) and recipe.tools[-1] in OWN_ENGINES:
        made = "; ".join(step.command for step in recipe.steps)
        duration = f" ({recipe.duration})" if recipe.duration else ""
        size = weigh(question.spec, question.only, "transformers").language / GIB
        yield f"weights {size:.1f} GiB; {recipe.tools[-1].name} makes it: {made}{duration}"


SPEC = ToolSpec(
    name="quantize_plan",
    title="Quantization plan",
    description=(
        "Which format of a model for this memory: bits per weight and file size of this very "
        "model, whether it fits, published quality loss, what making it takes. Or what a tag or "
        "file name means (Q4_K_M, UD-Q4_K_XL, AWQ-4bit). quality: best = least loss that fits, "
        "balanced = smallest with loss <= 0.05, smallest."
    ),
    arguments=QuantizePlanArguments,
    result=QuantizePlanResult,
    run=run,
    text=quantize_text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)
