"""count_tokens: how many tokens, for whose tokenizer, at what cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import is_none
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import (
    Count,
    DailyTokens,
    Name,
    as_list,
    as_names,
    whole_number,
)

CountMethod = Literal["exact", "rendered", "rule", "api", "estimate"]


def whole_text(value: object) -> object:
    """Text as UTF-8 can hold it: half of a surrogate pair becomes U+FFFD."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


Text = Annotated[str, BeforeValidator(whole_text)]


class ContentPart(Shape):
    """A part of a message's content: text, or an image with its size in pixels.

    An image is `{"type": "image", "width": 1024, "height": 768}`; `image_url` and `input_image`
    take the size beside the URL or inside it. Other kinds are refused by name.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(max_length=64)
    text: Text | None = None
    width: int | None = None
    height: int | None = None


def _form_of(value: object) -> str:
    """Which alternative a content is held against, so that errors speak of that one only."""
    return "(parts)" if isinstance(value, list | tuple) else "(text)"


Content = Annotated[
    Annotated[Text, Tag("(text)")] | Annotated[tuple[ContentPart, ...], Tag("(parts)")],
    Discriminator(_form_of),
]


class Message(Shape):
    """A chat message in the form of the OpenAI API."""

    role: str = Field(max_length=64)
    content: Content | None = None
    name: str | None = None
    tool_calls: tuple[dict[str, Any], ...] | None = None
    tool_call_id: str | None = None
    reasoning_content: Text | None = None


class CountTokensArguments(ToolArguments):
    """How many tokens does this text (or these messages) have?"""

    models: Annotated[
        tuple[Name, ...], Field(min_length=1, max_length=8), BeforeValidator(as_names)
    ] = Field(description="1-8 model ids, .gguf files or encodings (o200k_base …)")
    text: Text | None = None
    messages: Annotated[tuple[Message, ...], BeforeValidator(as_list)] | None = Field(
        default=None, description="[{role, content, name?}]; image part: {type, width, height}"
    )
    tools: Annotated[tuple[dict[str, Any], ...], BeforeValidator(as_list)] | None = None
    path: Name | None = Field(default=None, description="File or folder")
    words: Count | None = Field(default=None, description="Estimate without the text")
    pages: Count | None = Field(default=None, description="Estimate, 300 words a page")
    language: Name = "en"
    show_tokens: Annotated[int, Field(ge=0, le=200), BeforeValidator(whole_number)] = Field(
        default=0, description="Show the first N pieces"
    )
    expected_output_tokens: DailyTokens = 0
    add_generation_prompt: bool = True


class TokenCount(Shape):
    """The count for one model."""

    model: str
    tokens: int | None
    raw_tokens: int | None = None
    image_tokens: int | None = Field(
        default=None, description="Part of `tokens` that the images take", exclude_if=is_none
    )
    low: int | None
    high: int | None
    method: CountMethod | None
    tokenizer: str | None
    context_window: int | None = None
    context_used_percent: float | None = None
    input_cost_usd: float | None = None
    total_cost_usd: float | None = None
    tokens_per_word: float | None = None
    characters_per_token: float | None = None
    pieces: tuple[str, ...] | None = None
    times_english: float | None = Field(
        default=None, description="Tokens beside the same text in English", exclude_if=is_none
    )


class FileCount(Shape):
    """One file's share, counted by the first model asked."""

    path: str
    tokens: int
    bytes: int


class InputSize(Shape):
    """What was counted."""

    characters: int | None
    words: int | None
    bytes: int | None
    files: int | None = None
    skipped_files: int | None = Field(
        default=None, description="Binary, too large or unreadable", exclude_if=is_none
    )


class CountTokensResult(ToolResult):
    """The answer of count_tokens."""

    counts: tuple[TokenCount, ...]
    input: InputSize
    largest_files: tuple[FileCount, ...] | None = Field(
        default=None, description="The ten with most tokens", exclude_if=is_none
    )
