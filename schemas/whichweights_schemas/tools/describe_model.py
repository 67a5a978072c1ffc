"""describe_model: what a model is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.models import ModelFile, ModelRelative
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import Name, as_names, choice

Section = Literal[
    "architecture", "parameters", "cache", "context", "license", "skills", "files", "relatives"
]


class DescribeModelArguments(ToolArguments):
    """What is this model?"""

    model: Name = Field(description="Hub repo id, catalogue alias, or a hosted model's id")
    fields: Annotated[
        tuple[Annotated[Section, BeforeValidator(choice(licence="license"))], ...],
        BeforeValidator(as_names),
        Field(max_length=8),
    ] = Field(default=(), description="Only these sections; default all")


class ArchitectureAnswer(Shape):
    """The shape of the model; `attention` counts the layers of each kind."""

    name: str | None
    confidence: str
    layers: int | None
    hidden_size: int | None
    vocab_size: int | None
    attention: dict[str, int] = Field(default_factory=dict)
    kv_heads: tuple[int, ...] = ()
    head_dims: tuple[int, ...] = ()
    window_tokens: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    tied_embeddings: bool | None = None
    mtp_layers: int = 0
    vision: bool = False


class ParametersAnswer(Shape):
    """Counts of weights; `by_kind` is computed from the architecture."""

    total: int | None
    active: int | None
    by_kind: dict[str, int] = Field(default_factory=dict)
    flops_per_token: int | None = Field(
        default=None, description="Forward pass, 2 per active weight"
    )
    native_gib: float | None = None
    native_format: str | None = None


class CacheAnswer(Shape):
    """Cache of one sequence in 16 bit, what the architecture needs."""

    bytes_per_token: int | None
    gib_at_8192_tokens: float | None
    gib_at_window: float | None
    state_bytes_per_sequence: int | None = None
    note: str | None = None


class ContextAnswer(Shape):
    """Window in tokens."""

    max_tokens: int | None
    extended_tokens: int | None = None
    note: str | None = None


class LicenseAnswer(Shape):
    """The licence tag and how we read it. Our reading is no legal advice."""

    tag: str | None
    gated: bool | None
    commercial_use: Literal["yes", "no", "conditions", "unknown"]
    open_source: bool | None = None
    note: str | None = None


class SkillsAnswer(Shape):
    """What the maker says it can do; null = not said."""

    tool_use: bool | None
    reasoning: bool | None
    input_modalities: tuple[str, ...]
    languages: tuple[str, ...] = ()


class DescribeModelResult(ToolResult):
    """The answer of describe_model; sections not asked for are null."""

    id: str
    display_name: str
    kind: Literal["open_weight", "api"]
    source: str
    revision: str | None = None
    release_date: str | None = None
    architecture: ArchitectureAnswer | None = None
    parameters: ParametersAnswer | None = None
    cache: CacheAnswer | None = None
    context: ContextAnswer | None = None
    license: LicenseAnswer | None = None
    skills: SkillsAnswer | None = None
    files: tuple[ModelFile, ...] | None = None
    relatives: tuple[ModelRelative, ...] | None = None
    api: ApiModel | None = None
