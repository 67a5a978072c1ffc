"""What a recipe is made of: tools with version and source, steps with their needs, checks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Check", "Material", "NoRecipe", "Recipe", "Step", "Tool"]

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: the version whose options the commands follow, and where those were read."""

    name: str
    version: str
    source: str
    date: str
    install: str


@dataclass(frozen=True, slots=True)
class Material:
    """What a recipe starts from and makes, in whole bytes.

    `source_bytes` is the download as the maker stores it, `sixteen_bytes` its 16-bit copy,
    `largest_bytes` twice the largest tensor as float32 (what llama-quantize holds; None where the
    tensors are not known).
    """

    model: str
    format: str
    source_bytes: int
    sixteen_bytes: int
    file_bytes: int
    largest_bytes: int | None
    has_vision: bool
    imatrix: bool
    native: bool
    engine: str

    @property
    def is_repository(self) -> bool:
        """Whether `model` is safe to stand in a command: a repository id of the Hub."""
        return _REPOSITORY.fullmatch(self.model) is not None

    @property
    def name(self) -> str:
        """The last part of the repository id: folder and stem of the files."""
        return self.model.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Step:
    """One command. Bytes it adds on the disk and its peak of system memory; None is unknown or,
    for a download, too small to matter. `gpu`: whether one is needed. `ram_from`: what the memory
    follows from."""

    command: str
    makes: str
    tool: Tool
    disk_bytes: int | None
    ram_bytes: int | None
    gpu: bool | None
    ram_from: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A command that shows whether the result is right, and what to expect of it; without a
    command the last step prints it. `tool`: the program, where the steps do not use it."""

    command: str
    expect: str
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make one format of one model: steps in order, checks, and what they need besides.

    `calibration` says which text is needed ("" for none), `duration` what is published of the
    time; None where no published time transfers to another machine.
    """

    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    calibration: str = ""
    duration: str | None = None
    note: str = ""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools in the order of their use, each once."""
        return tuple(dict.fromkeys(step.tool for step in self.steps))

    @property
    def checking_tools(self) -> tuple[Tool, ...]:
        """The tools that only the checks use."""
        return tuple(dict.fromkeys(check.tool for check in self.checks if check.tool is not None))


@dataclass(frozen=True, slots=True)
class NoRecipe:
    """Why there are no commands."""

    reason: str
