"""The rows of quantize_plan: plans, commands, steps, tensors, published copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from whichweights.answering import EvidenceLog, gib, gib_or_none
from whichweights.planning._weight_formats import GGUF_ENGINES
from whichweights.planning.gguf_files import GgufFile, TensorGroup, gguf_file, tensor_groups
from whichweights.planning.quantize import FormatOption
from whichweights.planning.quantize_cache import CacheChoice
from whichweights.planning.quantize_making import FormatNeeds, needs_of, recipe_of
from whichweights.planning.ready_made import ReadyFile
from whichweights.planning.recipes import NoRecipe, Recipe, Tool
from whichweights.planning.speed import estimate_speed
from whichweights.tools._quantize_text import NO_COMMANDS
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.quantize_plan import (
    CachePlan,
    FormatPlan,
    PlanNeeds,
    PlanStep,
    QualityLoss,
    ReadyMade,
    SmallerCache,
    TensorRow,
)

_TENSOR_ROWS: Final = 40
_NO_TIME: Final = "no published time holds for another machine"


def plan_row(spec: ModelSpec, rank: int, option: FormatOption, record: EvidenceLog) -> FormatPlan:
    """One plan, without commands and copies."""
    plan, bits, loss = option.plan, option.bits_per_weight, option.loss
    needs = needs_of(recipe_of(spec, option))
    if needs.reason:
        field = "plans.needs" if needs.disk_bytes is None else "plans.needs.ram_gib"
        record.unknown(field, f"{option.name}: {needs.reason}")
    return FormatPlan(
        rank=rank,
        format=option.name,
        engine=option.planned.run.engine,
        bits_per_weight=None if bits is None else round(bits, 2),
        file_gib=gib(option.file_bytes),
        total_gib=gib(plan.total),
        low_gib=gib(plan.low),
        high_gib=gib(plan.high),
        headroom_gib=gib_or_none(option.headroom_bytes),
        verdict=plan.verdict,
        quality_loss=None
        if loss is None
        else QualityLoss(
            metric="mean KLD",
            value=round(loss.value, 4),
            model=loss.model,
            source="llama.cpp",
        ),
        quality_note=_quality_note(spec, option),
        decode_tokens_per_second=_speed(option, rank, record),
        needs=_needs(needs),
    )


def _speed(option: FormatOption, rank: int, record: EvidenceLog) -> float | None:
    speed = estimate_speed(option.planned.planner, option.plan)
    if speed.decode is None:
        reason = next(iter(speed.reasons), ("", "not estimated"))[1]
        record.unknown("plans.decode_tokens_per_second", reason)
        return None
    if speed.basis is not None and rank == 1:
        band = f"{speed.decode.low:.0f} to {speed.decode.high:.0f} for rank 1"
        record.add("plans.decode_tokens_per_second", speed.basis, speed.source, note=band)
    return round(speed.decode.value, 1)


def _quality_note(spec: ModelSpec, option: FormatOption) -> str | None:
    if option.native:
        return "the maker's own format: nothing is lost"
    if option.loss is None:
        return "no comparable measurement"
    if not option.imatrix:
        return None
    file = gguf_file(spec, option.name, imatrix=True)
    if file is None or gib(file.bytes) == gib(option.file_bytes):
        return "with an imatrix"
    return f"with an imatrix, the file then {gib(file.bytes):.3f} GiB"


def _needs(needs: FormatNeeds) -> PlanNeeds:
    return PlanNeeds(
        disk_gib=gib_or_none(needs.disk_bytes),
        ram_gib=gib_or_none(needs.ram_bytes),
        calibration=needs.calibration,
        gpu=needs.gpu,
    )


def with_commands(
    plan: FormatPlan, recipe: Recipe | NoRecipe, record: EvidenceLog, *, alone: bool
) -> FormatPlan:
    """The plan with the commands that make its file, and those that check it; `alone`: it was
    asked for, so that everything is said."""
    if isinstance(recipe, NoRecipe):
        record.unknown(NO_COMMANDS, recipe.reason)
        return plan
    for tool in recipe.tools[-1:] if alone else ():
        record.warn(f"{tool.name}: {tool.install}")
        record.add("plans.needs.ram_gib", "assumed", needs_of(recipe).ram_from)
        _record_tool("plans.commands", tool, record)
    for tool in recipe.checking_tools if alone else ():
        _record_tool("plans.verify", tool, record)
    if recipe.calibration:
        record.warn(f"calibration: {recipe.calibration}")
    if recipe.note:
        record.warn(f"{plan.format}: {recipe.note}")
    if recipe.duration is None and alone:
        record.unknown("plans.duration", _NO_TIME)
    if recipe.duration is not None:
        record.warn(f"{plan.format} takes {recipe.duration}")
    return plan.model_copy(
        update={
            "commands": tuple(step.command for step in recipe.steps),
            "verify": tuple(
                f"{check.command}  # {check.expect}" if check.command else check.expect
                for check in recipe.checks
            ),
        }
    )


def _record_tool(field: str, tool: Tool, record: EvidenceLog) -> None:
    source = f"{tool.name} {tool.version}: {tool.source}"
    record.add(field, "published", source, date=tool.date)


def with_copies(plan: FormatPlan, copies: Sequence[ReadyFile]) -> FormatPlan:
    """The plan with published copies: downloading the first one is its command."""
    first = copies[0]
    rows = tuple(
        ReadyMade(
            repo=copy.repo,
            file=copy.file,
            size_gib=gib_or_none(copy.size_bytes),
            publisher=copy.publisher,
            downloads=copy.downloads,
            imatrix=copy.imatrix,
        )
        for copy in copies
    )
    if first.file is None or first.parts > 1:
        part = "" if first.file is None else f' --include "{_pattern(first.file)}"'
        command = f"hf download {first.repo}{part} --local-dir {first.repo.rpartition('/')[2]}"
        check = ""
    else:
        command = f"hf download {first.repo} {first.file} --local-dir ."
        check = f"ls -l {first.file}  # {first.size_bytes:,} bytes"
    verify = (check,) if check else ()
    return plan.model_copy(update={"ready_made": rows, "commands": (command,), "verify": verify})


def _pattern(file: str) -> str:
    """All parts of a split file: its name up to the part number."""
    return f"{file.rpartition('-of-')[0].rpartition('-')[0]}-*.gguf"


def cache_plan(choices: Sequence[CacheChoice]) -> CachePlan | None:
    """The KV cache of the first plan and the smaller types, from the plan's own type on."""
    if not choices:
        return None
    own, *smaller = choices
    rows = tuple(
        SmallerCache(
            type=choice.kind,
            saves_gib=gib(own.cache_bytes - choice.cache_bytes),
            verdict=choice.plan.verdict,
            engines=choice.engines,
            options=choice.options,
            lets_fit=choice.lets_fit,
        )
        for choice in smaller
    )
    return CachePlan(type=own.kind, gib=gib(own.cache_bytes), smaller=rows)


def step_rows(recipe: Recipe | NoRecipe) -> tuple[PlanStep, ...]:
    """What each command takes by itself."""
    if isinstance(recipe, NoRecipe):
        return ()
    return tuple(
        PlanStep(
            makes=step.makes,
            tool=f"{step.tool.name} {step.tool.version}",
            disk_gib=gib_or_none(step.disk_bytes),
            ram_gib=gib_or_none(step.ram_bytes),
            gpu=step.gpu,
        )
        for step in recipe.steps
    )


def file_of(spec: ModelSpec, option: FormatOption) -> GgufFile | None:
    """The GGUF file a plan makes; None outside GGUF and where its tensors are not known."""
    if option.planned.run.engine not in GGUF_ENGINES:
        return None
    return gguf_file(spec, option.name, imatrix=option.imatrix)


def tensor_rows(file: GgufFile) -> tuple[TensorRow, ...]:
    """Type, exact bytes and reason of every tensor, alike ones in one row; at most 40 rows."""
    groups = tensor_groups(file.mixture)
    return tuple(_tensor_row(group) for group in groups[:_TENSOR_ROWS])


def _tensor_row(group: TensorGroup) -> TensorRow:
    return TensorRow(
        tensors=group.part,
        layers=group.layers,
        count=group.count,
        type=group.type,
        bytes=group.bytes,
        rule=group.rule,
        reason=group.reason + ("; needs the imatrix" if group.requires_imatrix else ""),
    )
