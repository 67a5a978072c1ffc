"""count_tokens: the model's own tokenizer on this text, or a refusal that names what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from whichweights.answering import EvidenceLog
from whichweights.planning.tokens import message_overhead, show_pieces, words_of
from whichweights.registry import ProviderSession
from whichweights.resolve.blocking import in_thread
from whichweights.resolve.tokenizers import CountedModel, resolve_tokenizer
from whichweights.tools._spec import ToolSpec
from whichweights_schemas.errors import InputTooLarge, InvalidArgument, NoTokenizer
from whichweights_schemas.tools.count_tokens import (
    CountMethod,
    CountTokensArguments,
    CountTokensResult,
    InputSize,
    Message,
    TokenCount,
)

MAX_TEXT_BYTES = 8_000_000
_INPUTS = ("text", "messages", "path", "words", "pages")


async def run(arguments: CountTokensArguments, session: ProviderSession) -> CountTokensResult:
    """Count for every model. Raises InvalidArgument, InputTooLarge, NoTokenizer, ModelNotFound."""
    texts = _texts(arguments)
    size = _size(texts, arguments.messages or ())
    record = EvidenceLog()
    counts = [
        await _count(session, name, arguments, texts, size, record) for name in arguments.models
    ]
    return CountTokensResult(
        counts=tuple(counts),
        input=size,
        warnings=record.warnings,
        evidence=record.evidence,
        unknown=record.unknowns,
    )


def _texts(arguments: CountTokensArguments) -> list[str]:
    given = [name for name in _INPUTS if getattr(arguments, name) is not None]
    if len(given) != 1:
        said = f"{' and '.join(given)} were given together" if given else "nothing to count"
        raise InvalidArgument(
            said, field="text", hint="give exactly one of text, messages, path, words, pages"
        )
    if given[0] in ("path", "words", "pages"):
        raise InvalidArgument(
            f"{given[0]} is not served by this version",
            field=given[0],
            hint="give the text itself",
        )
    if arguments.tools:
        raise NoTokenizer(
            "tool definitions are counted with the model's chat template, which is not at hand",
            field="tools",
            hint="leave tools out to count the messages",
        )
    if arguments.text is not None:
        return [arguments.text]
    return [message.content for message in arguments.messages or ()]


def _size(texts: list[str], messages: Sequence[Message]) -> InputSize:
    size = sum(map(_bytes, texts))
    around = sum(_bytes(message.role) + _bytes(message.name or "") for message in messages)
    if size + around > MAX_TEXT_BYTES:
        raise InputTooLarge(
            f"the text has {size + around:,} bytes",
            field="messages" if messages else "text",
            hint=f"at most {MAX_TEXT_BYTES:,} bytes a call; count it in parts",
        )
    return InputSize(characters=sum(map(len, texts)), words=sum(map(words_of, texts)), bytes=size)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


async def _count(
    session: ProviderSession,
    name: str,
    arguments: CountTokensArguments,
    texts: list[str],
    size: InputSize,
    record: EvidenceLog,
) -> TokenCount:
    counted = await resolve_tokenizer(session, name)
    record.warn(*counted.notes)
    tokenizer = counted.tokenizer
    raw = await in_thread(lambda: sum(tokenizer.count(text) for text in texts))
    method, tokens = await _with_overhead(counted, arguments.messages, raw, record)
    pieces = None
    if arguments.show_tokens and texts:
        pieces = await in_thread(lambda: show_pieces(tokenizer, texts[0], arguments.show_tokens))
    record.extend([tokenizer.identity.evidence], prefix="counts.")
    window = _window(counted)
    if window is None:
        record.unknown(f"counts[{name}].context_window", "no table has the window of this name")
    prices = _costs(counted, tokens, arguments.expected_output_tokens, record)
    return TokenCount(
        model=name,
        tokens=tokens,
        raw_tokens=raw,
        low=tokens,
        high=tokens,
        method=method,
        tokenizer=tokenizer.identity.name,
        context_window=window,
        context_used_percent=round(100 * tokens / window, 4) if window else None,
        input_cost_usd=prices[0],
        total_cost_usd=prices[1],
        tokens_per_word=round(raw / size.words, 3) if size.words else None,
        characters_per_token=round((size.characters or 0) / raw, 3) if raw else None,
        pieces=pieces,
    )


async def _with_overhead(
    counted: CountedModel, messages: Sequence[Message] | None, raw: int, record: EvidenceLog
) -> tuple[CountMethod, int]:
    if messages is None:
        return "exact", raw
    rule = counted.tokenizer.message_rule
    if rule is None:
        raise NoTokenizer(
            f"the chat template of {counted.name} is not at hand; the contents alone have "
            f"{raw} tokens",
            field="messages",
            hint="count the contents as text, or name a model with a documented message rule",
        )
    families = ", ".join(rule.documented_for)
    record.add("counts.tokens", "published", rule.source, note=f"documented for {families}")
    named = [message.name for message in messages if message.name is not None]
    around = [*(message.role for message in messages), *named]
    counts = await in_thread(lambda: sum(map(counted.tokenizer.count, around)))
    overhead = message_overhead(rule, messages=len(messages), named=len(named))
    return "rule", raw + counts + overhead


def _window(counted: CountedModel) -> int | None:
    if counted.api is not None:
        return counted.api.context_tokens
    return counted.spec.max_context_tokens if counted.spec else None


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


def text(result: CountTokensResult) -> str:
    """One line a model."""
    lines: list[str] = []
    for count in result.counts:
        line = f"{count.model}: {count.tokens:,} tokens ({count.method}, {count.tokenizer})"
        if count.context_window:
            share = count.context_used_percent or 0
            used = f"{share:.1f}" if share >= 0.1 or not share else "under 0.1"
            line += f", {used} % of its window of {count.context_window:,}"
        if count.total_cost_usd is not None:
            line += f", ${count.total_cost_usd:.6f} at list price"
        lines.append(line)
    return "\n".join((*lines, *result.warnings))


SPEC = ToolSpec(
    name="count_tokens",
    title="Count tokens",
    description=(
        "Count the tokens of a text or messages with the model's own tokenizer, exactly and "
        "offline, with share of the window and list price. OpenAI encodings are at hand; for any "
        "other model it refuses rather than guess."
    ),
    arguments=CountTokensArguments,
    result=CountTokensResult,
    run=run,
    text=text,
)
