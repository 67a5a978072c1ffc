"""count_tokens: how many tokens, for whose tokenizer, at what cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import Count, DailyTokens, Name, as_list, whole_number

CountMethod = Literal["exact", "rendered", "rule", "api", "estimate"]


class Message(Shape):
    """A chat message in the form of the OpenAI API."""

    role: str = Field(max_length=64)
    content: str
    name: str | None = None


class CountTokensArguments(ToolArguments):
    """How many tokens does this text (or these messages) have?"""

    models: Annotated[
        tuple[Name, ...], Field(min_length=1, max_length=8), BeforeValidator(as_list)
    ] = Field(description="1-8 model ids or encodings (o200k_base …)")
    text: str | None = None
    messages: Annotated[tuple[Message, ...], BeforeValidator(as_list)] | None = Field(
        default=None, description="[{role, content, name?}]"
    )
    tools: Annotated[tuple[dict[str, Any], ...], BeforeValidator(as_list)] | None = None
    path: Name | None = None
    words: Count | None = Field(default=None, description="Estimate without the text")
    pages: Count | None = Field(default=None, description="Estimate, 300 words a page")
    language: Name = "en"
    show_tokens: Annotated[int, Field(ge=0, le=200), BeforeValidator(whole_number)] = Field(
        default=0, description="Show the first N pieces"
    )
    expected_output_tokens: DailyTokens = 0


class TokenCount(Shape):
    """The count for one model."""

    model: str
    tokens: int | None
    raw_tokens: int | None = None
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


class InputSize(Shape):
    """What was counted."""

    characters: int | None
    words: int | None
    bytes: int | None
    files: int | None = None


class CountTokensResult(ToolResult):
    """The answer of count_tokens."""

    counts: tuple[TokenCount, ...]
    input: InputSize
