"""What the arguments and the results of all tools share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Evidence, ProviderReport, Unknown


class ToolArguments(BaseModel):
    """Arguments of a tool after validation: canonical forms only, unknown names refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )


class ToolResult(Shape):
    """Fields every answer has. `unknown` lists what is null, with the reason."""

    warnings: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = Field(default=(), description="Merged by source")
    unknown: tuple[Unknown, ...] = ()
    providers: tuple[ProviderReport, ...] = ()
