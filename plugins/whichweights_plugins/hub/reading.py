"""What the provider hands to the readers of files, which are imported at first use only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from whichweights_plugins.hub.facts import HubFile

__all__ = ["ConfigReading", "ReadFile"]

ReadFile = Callable[[HubFile, int, int], Awaitable[bytes]]
"""Reads so many bytes of a file of the repository, from an offset on."""


@dataclass(frozen=True, slots=True)
class ConfigReading:
    """The config.json of the repository, or why there is none to read."""

    values: Mapping[str, object] | None = None
    problem: str | None = None
