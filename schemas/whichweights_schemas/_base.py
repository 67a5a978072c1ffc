"""The two bases every shape of the contract derives from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """An immutable value of the contract; unknown fields are errors, never dropped."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )


class Settings(BaseModel):
    """A section of the configuration file; unknown keys are errors that name the section."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )
