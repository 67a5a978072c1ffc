"""recommend_model: which weights should I run?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import (
    DailyTokens,
    Limit,
    Names,
    NamesOrNone,
    Number,
    Tokens,
    as_names,
    choice,
)
from whichweights_schemas.tools.estimate_vram import Verdict, WorkloadChoice

Task = Annotated[
    Literal[
        "chat", "coding", "agent", "reasoning", "rag", "summarization", "translation",
        "extraction", "classification", "vision",
    ],
    BeforeValidator(choice(code="coding", summarisation="summarization", agentic="agent")),
]  # fmt: skip
Autonomy = Annotated[
    Literal["none", "single_step", "multi_step", "long_horizon"], BeforeValidator(choice())
]
Requirement = Annotated[Literal["tool_use", "reasoning", "vision"], BeforeValidator(choice())]


class RecommendModelArguments(ToolArguments):
    """Which model for this task, in these languages, on this machine?"""

    task: Task
    languages: Names = ("en",)
    context_tokens: Tokens | None = None
    workload: WorkloadChoice = "inference"
    autonomy: Autonomy = "none"
    accelerators: Names = ("live",)
    deployment: Annotated[Literal["local", "api", "either"], BeforeValidator(choice())] = "local"
    license: Annotated[Literal["any", "commercial", "open"], BeforeValidator(choice())] = "any"
    requires: Annotated[
        tuple[Requirement, ...], Field(max_length=3), BeforeValidator(as_names)
    ] = ()
    min_tokens_per_second: Annotated[Number, Field(ge=0, le=100_000)] = 0
    input_tokens_per_day: DailyTokens = 0
    output_tokens_per_day: DailyTokens = 0
    candidates: NamesOrNone = Field(default=(), description="Only these models")
    source: Annotated[Literal["catalogue", "hub", "all"], BeforeValidator(choice())] = "catalogue"
    limit: Limit = 3


class Decision(Shape):
    """One of the six questions, answered for this request."""

    question: str
    answer: str
    consequence: str


class NamedScore(Shape):
    """A published score with its benchmark, version and date; `basis` prior = of the size class."""

    benchmark: str
    version: str | None = None
    score: float
    low: float | None = None
    high: float | None = None
    scale: str = "0-100"
    basis: Literal["published", "prior"]
    measured_on: str
    self_reported: bool = False
    date: str | None
    source: str


class LanguageFit(Shape):
    """Coverage of one asked language, as check_language_coverage says it."""

    tag: str
    coverage: float | None
    grade: str


class Recommendation(Shape):
    """One model, the format and engine to run it with, and why."""

    rank: int
    model: str
    quantization: str
    engine: str
    score: float = Field(description="0-100; comparable only within this answer")
    score_parts: dict[str, float]
    vram_gib: float
    verdict: Verdict
    decode_tokens_per_second: float | None
    agentic: NamedScore | None
    quality: NamedScore | None
    languages: tuple[LanguageFit, ...]
    context_tokens: int
    license: str | None
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]


class Rejection(Shape):
    """Why models were left out, how many, and a few of them."""

    reason: str
    count: int
    examples: tuple[str, ...]


class ApiAlternative(Shape):
    """A hosted model with its dated list price."""

    model: str
    vendor: str
    context_tokens: int | None
    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    usd_per_day: float | None
    price_date: str | None
    quality: NamedScore | None = Field(default=None, description="null: nothing published is known")
    caveats: tuple[str, ...] = ()


class RecommendModelResult(ToolResult):
    """The answer of recommend_model."""

    decision: tuple[Decision, ...]
    recommendations: tuple[Recommendation, ...]
    rejected: tuple[Rejection, ...]
    api_alternatives: tuple[ApiAlternative, ...] = ()
    if_nothing_fits: tuple[str, ...] = ()
