"""What count_tokens was given, as texts to count, with its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from whichweights.planning.image_tokens import MAX_SIDE_PIXELS
from whichweights.planning.token_estimates import Amount
from whichweights.planning.tokens import function_of, words_of
from whichweights.registry import ProviderSession
from whichweights.resolve.blocking import in_thread
from whichweights.resolve.languages import resolve_language
from whichweights.resolve.text_files import TextFiles, read_text_files
from whichweights_schemas.errors import InputTooLarge, InvalidArgument, UnknownLanguage
from whichweights_schemas.tokenizing import Chat
from whichweights_schemas.tools.count_tokens import (
    ContentPart,
    CountTokensArguments,
    InputSize,
    Message,
)

MAX_TEXT_BYTES = 8_000_000
_BATCH_BYTES = 1_000_000
_TEXTS = frozenset(("text", "input_text"))
_IMAGES = frozenset(("image", "image_url", "input_image"))
_INPUTS = ("text", "messages", "path", "words", "pages")


@dataclass(frozen=True)
class GivenImage:
    """An image of a message; `field` names its place. Sizes in pixels, None where not given."""

    kind: str
    field: str
    width: int | None
    height: int | None


@dataclass(frozen=True)
class TokenInput:
    """Texts to count one by one; of a chat its contents. `amount` stands for a text nobody has."""

    texts: tuple[str, ...]
    size: InputSize
    chat: Chat | None = None
    messages: tuple[Message, ...] = ()
    files: TextFiles | None = None
    amount: Amount | None = None
    images: tuple[GivenImage, ...] = ()

    async def words(self) -> int | None:
        """Words of the texts; None where there is no text and no number was given."""
        if self.size.words is not None or self.files is None:
            return self.size.words
        return await in_thread(lambda: sum(map(words_of, self.texts)))

    def batches(self) -> Iterator[tuple[str, ...]]:
        """The texts, in groups of about a megabyte."""
        batch: list[str] = []
        size = 0
        for text in self.texts:
            batch.append(text)
            size += len(text)
            if size >= _BATCH_BYTES:
                yield tuple(batch)
                batch, size = [], 0
        if batch:
            yield tuple(batch)


async def token_input(arguments: CountTokensArguments, session: ProviderSession) -> TokenInput:
    """The input, read and measured.

    Raises InvalidArgument, InputTooLarge, PathNotAllowed, UnknownLanguage.
    """
    given = [name for name in _INPUTS if getattr(arguments, name) is not None]
    if len(given) != 1:
        said = f"{' and '.join(given)} were given together" if given else "nothing to count"
        raise InvalidArgument(
            said, field="text", hint="give exactly one of text, messages, path, words, pages"
        )
    if arguments.tools and arguments.messages is None:
        raise InvalidArgument(
            "tools are counted as part of a chat", field="tools", hint="give messages too"
        )
    if given[0] in ("words", "pages"):
        return _amount(arguments)
    if arguments.path is not None:
        path = arguments.path
        files = await in_thread(lambda: read_text_files(path, session.file_roots))
        return await in_thread(lambda: _of_files(files))
    if arguments.text is not None:
        text = arguments.text
        return await in_thread(lambda: TokenInput((text,), _size((text,), 0, "text")))
    return await in_thread(lambda: _of_messages(arguments))


def _amount(arguments: CountTokensArguments) -> TokenInput:
    try:
        language = resolve_language(arguments.language).tag
    except UnknownLanguage as error:
        raise UnknownLanguage(
            error.message, field="language", hint=error.hint, suggestions=error.suggestions
        ) from None
    amount = Amount(language, words=arguments.words, pages=arguments.pages)
    size = InputSize(characters=None, words=arguments.words, bytes=None)
    return TokenInput((), size, amount=amount)


def _of_files(files: TextFiles) -> TokenInput:
    texts = tuple(file.text for file in files.files)
    size = InputSize(
        characters=sum(map(len, texts)),
        words=None,  # counted while the tokenizer works
        bytes=sum(file.size_bytes for file in files.files),
        files=len(texts),
        skipped_files=files.skipped,
    )
    return TokenInput(texts, size, files=files)


def _of_messages(arguments: CountTokensArguments) -> TokenInput:
    messages = arguments.messages or ()
    texts = tuple(_content(message, place) for place, message in enumerate(messages))
    around = sum(_bytes(message.role) + _bytes(message.name or "") for message in messages)
    rows = [_row(message, text) for message, text in zip(messages, texts, strict=True)]
    chat = Chat(
        messages=tuple(rows),
        tools=tuple(_tool(tool, place) for place, tool in enumerate(arguments.tools or ())),
        add_generation_prompt=arguments.add_generation_prompt,
    )
    return TokenInput(
        texts,
        _size(texts, around, "messages"),
        chat=chat,
        messages=messages,
        images=tuple(_images(messages)),
    )


def _content(message: Message, place: int) -> str:
    """The text of a message. Raises InvalidArgument for audio and other parts, by name."""
    if message.content is None or isinstance(message.content, str):
        return message.content or ""
    texts: list[str] = []
    for number, part in enumerate(message.content):
        if part.type in _IMAGES:
            continue
        if part.type in _TEXTS and part.text is None:
            raise InvalidArgument(
                f"messages.{place}.content.{number} has no text",
                field=f"messages.{place}.content.{number}.text",
                hint='{"type": "text", "text": "…"}',
            )
        if part.type not in _TEXTS or part.text is None:
            raise InvalidArgument(
                f"messages.{place}.content.{number} is of type {part.type[:40]}: text and images "
                "are counted",
                field=f"messages.{place}.content.{number}",
                hint="leave the part out and add what the vendor bills for it",
            )
        texts.append(part.text)
    return "".join(texts)


def _images(messages: tuple[Message, ...]) -> Iterator[GivenImage]:
    """The images in order. Raises InvalidArgument for a size that is none."""
    for place, message in enumerate(messages):
        for number, part in enumerate(_parts(message)):
            if part.type in _IMAGES:
                field = f"messages.{place}.content.{number}"
                width, height = (_side(part, side, field) for side in ("width", "height"))
                yield GivenImage(part.type, field, width, height)


def _parts(message: Message) -> tuple[ContentPart, ...]:
    return message.content if isinstance(message.content, tuple) else ()


def _side(part: ContentPart, side: str, field: str) -> int | None:
    """A side in pixels, beside the URL or inside it."""
    value = getattr(part, side)
    inner = (part.model_extra or {}).get(part.type)
    if value is None and isinstance(inner, dict):
        value = cast("dict[str, object]", inner).get(side)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIDE_PIXELS:
        raise InvalidArgument(
            f"{field}.{side} is no number of pixels",
            field=f"{field}.{side}",
            hint=f"a whole number from 1 to {MAX_SIDE_PIXELS:,}",
        )
    return value


def _row(message: Message, text: str) -> dict[str, Any]:
    row = message.model_dump(exclude_none=True)
    row["content"] = text if message.content is not None else None
    return row


def _tool(tool: dict[str, Any], place: int) -> dict[str, Any]:
    """A definition in the form of the API; a bare function is wrapped."""
    function = function_of(tool)
    if not isinstance(function.get("name"), str):
        raise InvalidArgument(
            f"tools.{place} has no name",
            field=f"tools.{place}",
            hint='{"type": "function", "function": {"name", "description", "parameters"}}',
        )
    return tool if "function" in tool else {"type": "function", "function": tool}


def _size(texts: tuple[str, ...], around: int, field: str) -> InputSize:
    size = sum(map(_bytes, texts))
    if size + around > MAX_TEXT_BYTES:
        raise InputTooLarge(
            f"the text has {size + around:,} bytes",
            field=field,
            hint=f"at most {MAX_TEXT_BYTES:,} bytes a call; count it in parts",
        )
    return InputSize(characters=sum(map(len, texts)), words=sum(map(words_of, texts)), bytes=size)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
