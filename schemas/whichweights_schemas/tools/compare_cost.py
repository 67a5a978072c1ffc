"""compare_cost: API against your own hardware."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import DailyTokens, Name, NamesOrNone, Number, Share, as_list


class CompareCostArguments(ToolArguments):
    """What does a day of this traffic cost, hosted or at home?"""

    models: Annotated[
        tuple[Name, ...], Field(min_length=1, max_length=8), BeforeValidator(as_list)
    ] = Field(description="1-8 hosted or open-weight models")
    input_tokens_per_day: DailyTokens = 100_000
    output_tokens_per_day: DailyTokens = 20_000
    accelerators: NamesOrNone = ()
    gpu_usd_per_hour: Annotated[Number, Field(ge=0, le=1_000_000)] | None = None
    hardware_usd: Annotated[Number, Field(ge=0, le=1_000_000_000)] | None = None
    utilization: Share = 0.5


class CostRow(Shape):
    """One way to serve the traffic. Money in USD; null with a reason in `unknown`."""

    model: str
    how: str = Field(description="api:<vendor> or self-hosted")
    usd_per_day: float | None
    usd_per_million_tokens: float | None
    low_usd_per_day: float | None = None
    high_usd_per_day: float | None = None
    price_date: str | None
    source: str
    note: str | None = None


class CompareCostResult(ToolResult):
    """The answer of compare_cost."""

    rows: tuple[CostRow, ...]
    break_even: str | None
