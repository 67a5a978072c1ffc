"""The count of one model: by its tokenizer, its template, a rule, its vendor, or an estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from whichweights.answering import EvidenceLog
from whichweights.planning.token_estimates import (
    ASCII_BAND,
    WORDS_PER_ENGLISH_WORD,
    WORDS_SOURCE,
    of_amount,
    of_text,
)
from whichweights.planning.tokens import message_overhead, show_pieces, tool_tokens
from whichweights.registry import ProviderSession
from whichweights.resolve.blocking import in_thread
from whichweights.resolve.fertility import fertility_of, stand_in_rows
from whichweights.resolve.progress import report_progress
from whichweights.resolve.tokenizers import CountedModel, how_to_get
from whichweights.tools._token_images import image_tokens
from whichweights.tools._token_input import TokenInput
from whichweights_schemas.errors import NoTokenizer, ProviderTimeout
from whichweights_schemas.evidence import Band
from whichweights_schemas.providers import TokenizerProvider
from whichweights_schemas.requests import RemoteCountRequest, TokenizerRequest
from whichweights_schemas.tokenizing import Chat, MessageRule, Tokenizer
from whichweights_schemas.tools.count_tokens import CountMethod

T = TypeVar("T")

SECONDS_PER_MEGABYTE = 10.0
_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Counted:
    """What one model makes of the input. `by_file` holds the counts of the texts in order."""

    tokens: int | None
    low: int | None
    high: int | None
    method: CountMethod | None
    tokenizer: str | None
    raw: int | None = None
    by_text: tuple[int, ...] = ()
    pieces: tuple[str, ...] | None = None
    images: int | None = None


class Clock:
    """The time all counting of one call may take, and how far it is."""

    def __init__(self, given: TokenInput, models: int) -> None:
        self._characters = sum(map(len, given.texts)) * models
        megabytes = (given.size.bytes or 0) * models / _MEGABYTE
        self._seconds = SECONDS_PER_MEGABYTE * max(1.0, megabytes)
        self._deadline = anyio.current_time() + self._seconds
        self._done = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, done in a thread. Raises ProviderTimeout past the deadline."""
        with anyio.move_on_at(self._deadline):
            return await in_thread(work)
        raise ProviderTimeout(
            f"counting took more than {self._seconds:.0f} s",
            hint="count less at once, or fewer models",
        )

    async def advance(self, characters: int, name: str) -> None:
        """Report that so many characters are counted."""
        if not characters:  # progress must grow
            return
        self._done += characters
        await report_progress(self._done, self._characters, f"counting for {name}")


async def counted_by_tokenizer(
    session: ProviderSession,
    counted: CountedModel,
    tokenizer: Tokenizer,
    given: TokenInput,
    clock: Clock,
    record: EvidenceLog,
    show_tokens: int,
) -> Counted:
    """Exact contents; of messages the whole chat too.

    Raises NoTokenizer where a chat is asked for and neither template nor rule is at hand.
    """
    record.warn(*(f"{counted.name} {note}" for note in counted.notes), *tokenizer.notes)
    record.extend([tokenizer.identity.evidence], prefix="counts.")
    counts: list[int] = []
    for batch in given.batches():
        counts += await clock.run(lambda batch=batch: [tokenizer.count(text) for text in batch])
        await clock.advance(sum(map(len, batch)), counted.name)
    raw = sum(counts)
    method: CountMethod = "exact"
    tokens = low = high = raw
    images = image_tokens(counted, given, record)
    if given.chat is not None:
        method, tokens = await _chat(
            session, counted, tokenizer, given, given.chat, raw, clock, record
        )
        low, high = _around(tokenizer.message_rule if method == "rule" else None, raw, tokens)
    if given.images:
        method, tokens, low, high = "rule", tokens + images, low + images, high + images
    pieces = None
    if show_tokens and given.texts:
        pieces = await clock.run(lambda: show_pieces(tokenizer, given.texts[0], show_tokens))
    return Counted(
        tokens,
        low,
        high,
        method,
        tokenizer.identity.name,
        raw,
        tuple(counts),
        pieces,
        images if given.images else None,
    )


async def counted_without_tokenizer(
    session: ProviderSession, counted: CountedModel, given: TokenInput, record: EvidenceLog
) -> Counted:
    """A closed model: its vendor's own count where the operator set that up, else a band."""
    image_tokens(counted, given, record)  # a count without its images would be none
    name = counted.api.id if counted.api else counted.name
    if given.files is None:
        text = given.texts[0] if given.chat is None else None
        request = RemoteCountRequest(name=name, text=text, chat=given.chat)
        remote = await session.first(TokenizerProvider, lambda p: p.count_remotely(request))
        if remote is not None:
            record.warn(*remote.notes)
            record.add("counts.tokens", "exact", remote.source)
            return Counted(remote.tokens, remote.tokens, remote.tokens, "api", remote.source)
    band = _summed([await in_thread(lambda text=text: of_text(text)) for text in given.texts])
    if given.chat is not None:
        band = _with_turns(band, given.chat)
    low, high = ASCII_BAND
    record.add(
        ("counts.tokens", "counts.low", "counts.high"),
        "prior",
        "what nine open vocabularies spend on words, digits, punctuation and scripts",
        date="2026-11",
        note=f"own fit over 341 texts; band {low} to {high} of it for mostly ASCII text",
    )
    step = await how_to_get(session, TokenizerRequest(name=name))
    record.warn(
        f"{counted.name}: the maker publishes no tokenizer; this is an estimate of text tokens, "
        "no other vendor's count" + (f". {step}" if step else "")
    )
    return Counted(int(band.value), int(band.low), int(band.high), "estimate", None)


async def counted_without_text(
    session: ProviderSession,
    family: str | None,
    name: str,
    given: TokenInput,
    record: EvidenceLog,
) -> Counted:
    """A number of words or pages: a band from the fertility table."""
    amount = given.amount
    assert amount is not None
    own = await fertility_of(session, family, amount.language)
    rows = [own] if own else await stand_in_rows(session, amount.language)
    band = of_amount(amount, rows)
    if band is None:
        record.unknown(f"counts[{name}].tokens", f"no tokenizer was measured in {amount.language}")
        return Counted(None, None, None, None, None)
    for row in rows[:1]:
        note = None if own else f"{len(rows)} measured vocabularies stand in"
        fields = ("counts.tokens", "counts.low", "counts.high")
        record.add(fields, "prior", row.evidence.source, date=row.evidence.date, note=note)
    if amount.words is not None and amount.primary in WORDS_PER_ENGLISH_WORD:
        record.add("counts.tokens", "prior", WORDS_SOURCE, date="2026-11")
    if amount.pages is not None:
        record.add("counts.tokens", "assumed", "a page says what 300 English words say")
    return Counted(
        int(band.value),
        int(band.low),
        int(band.high),
        "estimate",
        own.tokenizer if own else None,
    )


async def _chat(
    session: ProviderSession,
    counted: CountedModel,
    tokenizer: Tokenizer,
    given: TokenInput,
    chat: Chat,
    raw: int,
    clock: Clock,
    record: EvidenceLog,
) -> tuple[CountMethod, int]:
    rendered = await clock.run(lambda: tokenizer.count_chat(chat))
    if rendered is not None:
        record.warn(*rendered.notes)
        record.add("counts.tokens", "computed", rendered.template)
        return "rendered", rendered.tokens
    rule = tokenizer.message_rule
    if rule is None or (chat.tools and rule.per_tool is None):
        asked = TokenizerRequest(
            name=counted.spec.id if counted.spec else counted.name, model=counted.spec
        )
        step = await how_to_get(session, asked)
        raise NoTokenizer(
            f"the chat template of {counted.name} is not at hand; the contents alone have "
            f"{raw:,} {'token' if raw == 1 else 'tokens'}",
            field="messages",
            hint=f"`{step}` fetches it; or count the contents as text"
            if step
            else "count the contents as text, or name a model whose tokenizer_config.json or "
            "chat_template.jinja is at hand",
        )
    if any(message.tool_calls or message.tool_call_id for message in given.messages):
        raise NoTokenizer(
            f"the documented rule of {counted.name} does not cover tool calls in messages",
            field="messages",
            hint="leave tool_calls and tool results out",
        )
    _record_rule(counted.name, rule, record)
    return "rule", raw + await clock.run(lambda: _rule_tokens(tokenizer, rule, given, chat))


def _record_rule(name: str, rule: MessageRule, record: EvidenceLog) -> None:
    families = ", ".join(rule.documented_for)
    basis = "assumed" if rule.carried_over else "published"
    record.add("counts.tokens", basis, rule.source, note=f"documented for {families}")
    if rule.carried_over:
        record.warn(
            f"{name}: the contents are exact; what wraps them follows the rule documented for "
            f"{families}, with half to twice of it as band"
        )


def _around(rule: MessageRule | None, raw: int, tokens: int) -> tuple[int, int]:
    """Low and high; of a rule carried over to a later model its overhead is halved and doubled.

    The margin is a convention of ours: no measurement of later models is published.
    """
    if rule is None or not rule.carried_over:
        return tokens, tokens
    overhead = tokens - raw
    return raw + overhead // 2, raw + 2 * overhead


def _rule_tokens(tokenizer: Tokenizer, rule: MessageRule, given: TokenInput, chat: Chat) -> int:
    named = [message.name for message in given.messages if message.name is not None]
    around = sum(map(tokenizer.count, (*(message.role for message in given.messages), *named)))
    overhead = message_overhead(rule, messages=len(given.messages), named=len(named))
    return around + overhead + tool_tokens(tokenizer.count, chat.tools, rule.per_tool or 0)


def _summed(bands: list[Band]) -> Band:
    return Band(
        value=sum(band.value for band in bands),
        low=sum(band.low for band in bands),
        high=sum(band.high for band in bands),
    )


def _with_turns(band: Band, chat: Chat) -> Band:
    """What wraps a chat: 3 to 10 tokens a turn, and the JSON of the tools, as open families do."""
    turns = len(chat.messages) + 1
    tools = _summed([of_text(str(tool)) for tool in chat.tools])
    system = 400 if chat.tools else 0
    return Band(
        value=band.value + 5 * turns + tools.value,
        low=band.low + 2 * turns + tools.low // 2,
        high=band.high + 12 * turns + tools.high + system,
    )
