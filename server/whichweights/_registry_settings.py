"""How the registry is set up: which providers, in what order, with what configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from whichweights_schemas.evidence import ProviderKind

BUILT_IN_DISTRIBUTION = "whichweights"
BUILT_INS_ONLY = (f"{BUILT_IN_DISTRIBUTION}:*",)
"""A value of `RegistrySettings.only` that leaves every stranger out and keeps the built-ins."""

DEFAULT_PROVIDER_SECONDS = 10.0


@dataclass(frozen=True)
class RegistrySettings:
    """The operator's choices; `whichweights.config` reads them from the file and the environment.

    A provider is named as `name`, `distribution:name` or `distribution:*`. `only` = None means all
    that are installed, an empty tuple none. `sections` holds the `[providers.<name>]` tables.
    `provider_seconds` is how long one tool call waits for providers altogether. `file_roots` are
    the folders a caller may have files read from: None = the current one, empty = none.
    """

    order: Mapping[ProviderKind, tuple[str, ...]] = field(
        default_factory=dict[ProviderKind, "tuple[str, ...]"]
    )
    disabled: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    sections: Mapping[str, Mapping[str, object]] = field(
        default_factory=dict[str, "Mapping[str, object]"]
    )
    provider_seconds: float = DEFAULT_PROVIDER_SECONDS
    file_roots: tuple[Path, ...] | None = None
