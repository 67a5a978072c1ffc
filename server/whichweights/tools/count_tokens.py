"""count_tokens: the model's own tokenizer on this text, or a band that says so, or a refusal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import anyio

from whichweights.answering import EvidenceLog
from whichweights.planning.scripts import language_of
from whichweights.registry import ProviderSession
from whichweights.resolve.fertility import fertility_of
from whichweights.resolve.tokenizers import (
    CountedModel,
    hosted_model,
    resolve_tokenizer,
    spec_or_none,
)
from whichweights.tools._spec import ToolSpec
from whichweights.tools._token_counts import (
    Clock,
    Counted,
    counted_by_tokenizer,
    counted_without_text,
    counted_without_tokenizer,
)
from whichweights.tools._token_input import TokenInput, token_input
from whichweights_schemas.errors import NoTokenizer, WhichweightsError
from whichweights_schemas.tools.count_tokens import (
    CountTokensArguments,
    CountTokensResult,
    FileCount,
    TokenCount,
)

_LARGEST_FILES = 10


@dataclass
class _Call:
    arguments: CountTokensArguments
    session: ProviderSession
    given: TokenInput
    clock: Clock
    record: EvidenceLog
    by_text: tuple[int, ...] = ()


async def run(arguments: CountTokensArguments, session: ProviderSession) -> CountTokensResult:
    """Count for every model.

    Raises InvalidArgument, InputTooLarge, PathNotAllowed, UnknownLanguage, NoTokenizer,
    ModelNotFound, AmbiguousModel, ProviderTimeout.
    """
    given = await token_input(arguments, session)
    clock = Clock(given, len(arguments.models))
    call = _Call(arguments, session, given, clock, EvidenceLog())
    counts, words = await _counted(call)
    size = given.size.model_copy(update={"words": words})
    if given.files is not None and given.files.skipped:
        call.record.warn(
            f"{given.files.skipped:,} files were not counted: {given.files.binary:,} binary or "
            f"not UTF-8, {given.files.too_large:,} too large, {given.files.unreadable:,} unreadable"
        )
    return CountTokensResult(
        counts=tuple(_with_words(count, words) for count in counts),
        input=size,
        largest_files=_largest(call),
        warnings=call.record.warnings,
        evidence=call.record.evidence,
        unknown=call.record.unknowns,
    )


async def _counted(call: _Call) -> tuple[list[TokenCount], int | None]:
    """The counts, and meanwhile the words: splitting ten megabytes takes a tenth of their time."""
    counts: list[TokenCount] = []
    words: int | None = None
    failed: WhichweightsError | None = None

    async def count_words() -> None:
        nonlocal words
        words = await call.given.words()

    async with anyio.create_task_group() as group:
        group.start_soon(count_words)
        try:
            for name in call.arguments.models:
                counts.append(await _count(call, name))  # noqa: PERF401  # kept in call order
        except WhichweightsError as error:  # raised below: a group would hide its kind
            failed = error
            group.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return counts, words


def _with_words(count: TokenCount, words: int | None) -> TokenCount:
    if not count.raw_tokens or not words:
        return count
    return count.model_copy(update={"tokens_per_word": round(count.raw_tokens / words, 3)})


async def _count(call: _Call, name: str) -> TokenCount:
    if call.given.amount is not None:
        counted, found = await _of_amount(call, name)
    else:
        with_template = call.given.chat is not None
        counted = await resolve_tokenizer(call.session, name, with_template=with_template)
        found = await _of_text(call, counted)
        call.by_text = call.by_text or found.by_text
    window = _window(counted)
    if window is None:
        call.record.unknown(
            f"counts[{name}].context_window", "no table has the window of this name"
        )
    output = call.arguments.expected_output_tokens
    spent, total = (
        (None, None) if found.tokens is None else _costs(counted, found.tokens, output, call.record)
    )
    size = call.given.size
    return TokenCount(
        model=name,
        tokens=found.tokens,
        raw_tokens=found.raw,
        image_tokens=found.images,
        low=found.low,
        high=found.high,
        method=found.method,
        tokenizer=found.tokenizer,
        context_window=window,
        context_used_percent=(
            round(100 * found.tokens / window, 4) if window and found.tokens is not None else None
        ),
        input_cost_usd=spent,
        total_cost_usd=total,
        characters_per_token=(
            round(size.characters / found.raw, 3) if found.raw and size.characters else None
        ),
        pieces=found.pieces,
        times_english=await _times_english(call, counted),
    )


async def _of_text(call: _Call, counted: CountedModel) -> Counted:
    if counted.tokenizer is not None:
        return await counted_by_tokenizer(
            call.session,
            counted,
            counted.tokenizer,
            call.given,
            call.clock,
            call.record,
            call.arguments.show_tokens,
        )
    found = await counted_without_tokenizer(call.session, counted, call.given, call.record)
    if call.arguments.show_tokens:
        call.record.unknown(f"counts[{counted.name}].pieces", "its maker publishes no tokenizer")
    return found


async def _of_amount(call: _Call, name: str) -> tuple[CountedModel, Counted]:
    """Without a text the tokenizer itself is not needed, only which one it is."""
    api = await hosted_model(call.session, name)
    closed = api is not None and api.open_weights is False
    spec = None if closed else await spec_or_none(call.session, name)
    counted = CountedModel(name, None, spec, api)
    if spec is None and (api is None or api.open_weights is not False):
        counted = await resolve_tokenizer(call.session, name)
    elif api is not None:
        with suppress(NoTokenizer):
            counted = await resolve_tokenizer(call.session, name)
    found = await counted_without_text(
        call.session, _family(counted), name, call.given, call.record
    )
    return counted, found


def _family(counted: CountedModel) -> str | None:
    """The key of the fertility table: the model's, else the name of the vocabulary."""
    if counted.spec is not None and counted.spec.tokenizer_family:
        return counted.spec.tokenizer_family
    return counted.tokenizer.identity.name if counted.tokenizer else None


async def _times_english(call: _Call, counted: CountedModel) -> float | None:
    """What the language costs beside English, where it is given or its script names it."""
    given = call.given
    language = given.amount.language if given.amount else None
    if language is None and given.files is None and given.texts:
        language = language_of(max(given.texts, key=len))
    if language is None or language == "en":
        return None
    row = await fertility_of(call.session, _family(counted), language)
    if row is None:
        return None
    call.record.extend([row.evidence.model_copy(update={"fields": ("counts.times_english",)})])
    return round(row.ratio_to_english, 2)


def _window(counted: CountedModel) -> int | None:
    """The model's own window; a host of open weights may offer another."""
    own = counted.spec.max_context_tokens if counted.spec else None
    return own or (counted.api.context_tokens if counted.api else None)


def _costs(
    counted: CountedModel, tokens: int, output_tokens: int, record: EvidenceLog
) -> tuple[float | None, float | None]:
    """USD for the input, and for input plus expected output, at list prices."""
    prices = counted.api.prices if counted.api else None
    if prices is None or prices.input_usd_per_mtok is None:
        record.unknown(f"counts[{counted.name}].input_cost_usd", "no list price is known")
        return None, None
    fields = ("counts.input_cost_usd", "counts.total_cost_usd")
    record.add(fields, "published", prices.source, date=prices.date, note="list price")
    spent = tokens * prices.input_usd_per_mtok / 1e6
    if not output_tokens:
        return round(spent, 8), round(spent, 8)
    if prices.output_usd_per_mtok is None:
        record.unknown(f"counts[{counted.name}].total_cost_usd", "no output price is known")
        return round(spent, 8), None
    return round(spent, 8), round(spent + output_tokens * prices.output_usd_per_mtok / 1e6, 8)


def _largest(call: _Call) -> tuple[FileCount, ...] | None:
    if call.given.files is None or not call.by_text:
        return None
    rows = [
        FileCount(path=file.name, tokens=tokens, bytes=file.size_bytes)
        for file, tokens in zip(call.given.files.files, call.by_text, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -row.tokens)[:_LARGEST_FILES])


def text(result: CountTokensResult) -> str:
    """One line a model."""
    lines = [_line(count) for count in result.counts]
    if result.input.files is not None:
        lines.append(f"{result.input.files:,} files, {result.input.bytes or 0:,} bytes")
    if result.largest_files:
        largest = [f"{row.path} {row.tokens:,}" for row in result.largest_files[:3]]
        lines.append(f"largest: {', '.join(largest)}")
    return "\n".join((*lines, *result.warnings))


def _line(count: TokenCount) -> str:
    if count.tokens is None:
        return f"{count.model}: unknown"
    line = f"{count.model}: {count.tokens:,} {'token' if count.tokens == 1 else 'tokens'} ("
    line += str(count.method)
    if count.low != count.high:
        line += f", {count.low:,} to {count.high:,}"
    line += f", {count.tokenizer})" if count.tokenizer else ")"
    if count.raw_tokens is not None and count.raw_tokens != count.tokens:
        line += f", {count.raw_tokens:,} in the contents"
    if count.image_tokens is not None:
        line += f", {count.image_tokens:,} of images"
    if count.context_window:
        share = count.context_used_percent or 0
        used = f"{share:.1f}" if share >= 0.1 or not share else "under 0.1"
        line += f", {used} % of its window of {count.context_window:,}"
    if count.total_cost_usd is not None:
        line += f", ${count.total_cost_usd:.6f} at list price"
    if count.times_english is not None:
        line += f", {count.times_english:g} times English"
    return line


SPEC = ToolSpec(
    name="count_tokens",
    title="Count tokens",
    description=(
        "Count the tokens of a text, messages or files with the model's own tokenizer, exactly and "
        "offline, with share of the window and list price; words or pages of a language give an "
        "estimate. Never another model's tokenizer."
    ),
    arguments=CountTokensArguments,
    result=CountTokensResult,
    run=run,
    text=text,
    open_world=True,  # a name nobody here knows is looked up on the Hub
)
