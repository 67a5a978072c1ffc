"""A hosted model without known architecture."""

from __future__ import annotations

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Evidence


class TokenPrices(Shape):
    """List prices in US dollars per million tokens, as of `date`; null = not published."""

    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    cached_input_usd_per_mtok: float | None = None
    cache_write_usd_per_mtok: float | None = None
    batch_input_usd_per_mtok: float | None = None
    batch_output_usd_per_mtok: float | None = None
    date: str
    source: str


class ApiModel(Shape):
    """A hosted model: its window, skills and list price."""

    id: str
    vendor: str = Field(description="Who sells it")
    first_party: bool = Field(description="False: a host of somebody else's open weights")
    display_name: str | None = None
    aliases: tuple[str, ...] = ()
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    prices: TokenPrices | None = None
    prices_above_tokens: int | None = Field(
        default=None, description="Longer prompts are billed at a higher tier"
    )
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    tool_use: bool | None = None
    reasoning: bool | None = None
    structured_output: bool | None = None
    open_weights: bool | None = None
    knowledge_cutoff: str | None = None
    release_date: str | None = None
    deprecation_date: str | None = None
    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
