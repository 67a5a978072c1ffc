"""The answer of quantize_plan in a few sentences, and the rows that are sentences themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from whichweights.answering import GIB
from whichweights.planning.quantize import LeftOut
from whichweights.planning.quantize_ways_out import WayOut
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.tools.quantize_plan import (
    CachePlan,
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
NO_COMMANDS: Final = "plans.commands, verify"
FOREIGN: Final = "only "
SLOW_I_QUANTS: Final = "i-quants decode slower than K-quants of their size on CPU and Metal"


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
    others = tuple(f"{plan.format}:" for plan in result.plans[1:])
    warnings = [words for words in result.warnings if not words.startswith(others)]
    warnings.sort(key=lambda words: not words.startswith(SLOW_I_QUANTS))
    sentences.extend(_sentence(warning) for warning in warnings[:_WARNINGS_SHOWN])
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
        foreign = bool(result.excluded) and result.excluded[0].reason.startswith(FOREIGN)
        why = f"{result.excluded[0].reason}" if foreign else "nothing fits"
        yield f"{result.model}{where}: {why}."
        if result.if_nothing_fits:
            lead = "To have it" if foreign else "What would help"
            yield f"{lead}: {'; '.join(result.if_nothing_fits[:_WAYS_SHOWN])}."
        return
    first, *others = result.plans
    yield f"{result.model}{where}: {_first(first)}."
    if others:
        named = others[:_OTHERS_SHOWN]
        yield f"Then {', '.join(plan.format for plan in named)}."
    better = tuple(_cache_words(result.kv_cache))
    if not better and result.if_nothing_fits:
        better = (f"Better with: {result.if_nothing_fits[0].partition(':')[0]}.",)
    yield from better
    yield from _next_step(first, result.unknown)


def _cache_words(cache: CachePlan | None) -> Iterator[str]:
    """The largest cache type that lets a preferred format in."""
    for row in () if cache is None else cache.smaller:
        if row.lets_fit:
            yield f"{row.lets_fit[0]} fits with the KV cache in {row.type} ({row.options})."
            return


def _next_step(plan: FormatPlan, unknown: Sequence[Unknown]) -> Iterator[str]:
    """The one command to run; of several, the first and the one that makes the file."""
    if plan.ready_made:
        size = plan.ready_made[0].size_gib
        yield f"Ready-made{'' if size is None else f', {size:.1f} GiB'}: `{plan.commands[0]}`."
    elif not plan.commands:
        yield from (_sentence(gap.reason) for gap in unknown if gap.field == NO_COMMANDS)
    elif len(plan.commands) == 1 and plan.commands[0].startswith("hf "):
        yield f"Get it: `{plan.commands[0]}`."
    else:
        made = _making(plan.commands)
        yield f"Find a copy on the Hub, or make it{made}."


def _making(commands: Sequence[str]) -> str:
    first, *others = commands
    if "\n" in first:
        return ": the script in commands"
    if not others:
        return f": `{first}`"
    making = [command for command in others if "--mmproj" not in command]
    last = next((one for one in making if one.startswith("llama-quantize")), making[-1])
    return f"; commands end in `{last}`"


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
