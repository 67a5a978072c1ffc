"""The answer of quantize_plan in a few sentences, and the rows that are sentences themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from whichweights.answering import GIB
from whichweights.planning.quantize import LeftOut
from whichweights.planning.quantize_ways_out import WayOut
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.tools.quantize_plan import (
    ExcludedFormat,
    FormatPlan,
    QuantizePlanResult,
    TagMeaning,
)

_ROWS_SHOWN = 8
_WARNINGS_SHOWN = 1
_WAYS_SHOWN = 4
_NAMES_SHOWN = 4
_OTHERS_SHOWN = 4


def left_out_rows(left_out: Sequence[LeftOut]) -> tuple[ExcludedFormat, ...]:
    """One row a reason, at most 8; the smallest of several that do not fit is named with its need.

    What is beyond the rows shown is counted in the last one.
    """
    groups: dict[str, list[LeftOut]] = {}
    for left in left_out:
        groups.setdefault(left.reason, []).append(left)
    rows = [_row(group) for group in groups.values()]
    if len(rows) > _ROWS_SHOWN:
        hidden = rows[_ROWS_SHOWN - 1 :]
        names = ", ".join(row.format for row in hidden)
        rows = [*rows[: _ROWS_SHOWN - 1], ExcludedFormat(format=names, reason="several reasons")]
    return tuple(rows)


def _row(group: Sequence[LeftOut]) -> ExcludedFormat:
    reason = group[0].reason
    planned = [left.option for left in group if left.option is not None]
    if planned:
        least = min(planned, key=lambda option: option.plan.total)
        which = f"{least.name} " if len(group) > 1 else ""
        reason += f"; {which}needs {least.plan.total / GIB:.1f} GiB"
    return ExcludedFormat(format=_names([left.name for left in group]), reason=reason)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def way_out_words(way: WayOut) -> str:
    """A way out with the memory it needs and its verdict."""
    words = f"{way.change}: {way.plan.total / GIB:.1f} GiB, {way.plan.verdict.replace('_', ' ')}"
    if way.decode is not None:
        low, high = way.decode.low, way.decode.high
        words += f", {low:.0f} to {high:.0f} tokens/s" if high >= 2 else ", under 2 tokens/s"
    if way.host_bytes is None:
        return words
    return f"{words} if system memory has {way.host_bytes / GIB:.0f} GiB free"


def quantize_text(result: QuantizePlanResult) -> str:
    """At most about 120 words: the meaning of the tag, the plans, the way on."""
    sentences: list[str] = []
    if result.tag_meaning is not None:
        sentences.extend(
            _meaning(result.tag_meaning, result.unknown, brief=result.model is not None)
        )
    if result.model is not None:
        sentences.extend(_plans(result))
    sentences.extend(_sentence(warning) for warning in result.warnings[:_WARNINGS_SHOWN])
    return " ".join(sentences)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _meaning(meaning: TagMeaning, unknown: Sequence[Unknown], *, brief: bool) -> Iterator[str]:
    yield meaning.meaning
    if brief:
        return
    if meaning.bits_per_weight is None:
        yield from (_sentence(gap.reason) for gap in unknown if "bits_per_weight" in gap.field)
    else:
        where = meaning.bits_per_weight_model
        of = f"in the whole file of {where}" if where else "on the quantized weights"
        yield f"{meaning.bits_per_weight:.4g} bits per weight {of}."
        yield f"Blocks: {meaning.block_layout}."
        yield f"Tensors: {'; '.join(meaning.tensors)}."
    yield "Give model too for its size and fit."


def _plans(result: QuantizePlanResult) -> Iterator[str]:
    settings = result.settings
    where = ""
    if settings is not None:
        machine = " + ".join(settings.accelerators) or "CPU and system memory"
        where = f" on {machine} at {settings.context_tokens:,} tokens, {settings.quality}"
    if not result.plans:
        yield f"{result.model}{where}: nothing fits."
        if result.if_nothing_fits:
            yield f"What would help: {'; '.join(result.if_nothing_fits[:_WAYS_SHOWN])}."
        return
    first, *others = result.plans
    yield f"{result.model}{where}: {_first(first)}."
    if others:
        named = others[:_OTHERS_SHOWN]
        yield f"Then {', '.join(plan.format for plan in named)}."
    if result.if_nothing_fits:
        yield f"Better with: {result.if_nothing_fits[0].partition(':')[0]}."
    yield from _next_step(first)


def _next_step(plan: FormatPlan) -> Iterator[str]:
    if plan.ready_made:
        copy = plan.ready_made[0]
        size = "" if copy.size_gib is None else f", {copy.size_gib:.1f} GiB"
        yield f"Ready-made: {copy.repo}{f' {copy.file}' if copy.file else ''}{size}."
    elif plan.commands:
        yield "The first plan has its commands; with a tag, that format's."


def _first(plan: FormatPlan) -> str:
    verdict = "fit unknown" if plan.verdict == "unknown" else plan.verdict
    bits = "" if plan.bits_per_weight is None else f", {plan.bits_per_weight:g} bits per weight"
    left = "" if plan.headroom_gib is None else f", {plan.headroom_gib:.1f} left"
    speed = plan.decode_tokens_per_second
    fast = "" if speed is None else f", about {speed:.0f} tokens/s"
    words = (
        f"{plan.format} with {plan.engine}{bits}, file {plan.file_gib:.1f} GiB, "
        f"total {plan.total_gib:.1f} GiB{left} ({verdict}){fast}"
    )
    if plan.quality_loss is not None:
        words += f"; {plan.quality_loss.metric} {plan.quality_loss.value:g}"
        words += f" on {plan.quality_loss.model}"
    elif plan.quality_note is not None:
        words += f"; {plan.quality_note}"
    return words
