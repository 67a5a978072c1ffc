"""Where a figure came from, how sure it is, and what is not known."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape

Basis = Literal["exact", "computed", "fitted", "published", "prior", "assumed"]
"""exact: read from the artefact itself · computed: follows from exact facts by a formula known to
hold · fitted: a formula fitted to measurements, band given · published: somebody's measurement ·
prior: statistics of similar models, band given · assumed: a default nobody confirmed."""

ProviderStatus = Literal["answered", "unavailable", "failed", "timeout"]

ProviderKind = Literal[
    "models",
    "api_models",
    "tokenizers",
    "gpu",
    "accelerators",
    "languages",
    "scores",
    "prices",
]
"""One kind an entry-point group `whichweights.<kind>`."""


def is_none(value: object) -> bool:
    """An optional member that says nothing is left out of an answer: it costs tokens."""
    return value is None


class Evidence(Shape):
    """The source of one or several fields of an answer."""

    fields: tuple[str, ...] = Field(description="Fields of the answer this source stands behind")
    basis: Basis
    source: str = Field(description="Who says so: a table, a document, a driver, a formula")
    date: str | None = Field(
        default=None, description="ISO date or month of the source", exclude_if=is_none
    )
    note: str | None = Field(default=None, exclude_if=is_none)


class Unknown(Shape):
    """A field that is null, and why."""

    field: str
    reason: str


class ProviderReport(Shape):
    """What one provider did for this answer; providers that were not asked are not listed."""

    name: str
    kind: ProviderKind
    status: ProviderStatus
    detail: str | None = Field(default=None, exclude_if=is_none)


class Band(Shape):
    """A value with the interval in which at least 90 % of real cases of its kind lie."""

    value: float
    low: float
    high: float
