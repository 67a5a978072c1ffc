"""What a tool is: its names, its shapes, and the two functions behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from whichweights.registry import ProviderSession
from whichweights_schemas.tools._common import ToolArguments, ToolResult

ArgumentsT = TypeVar("ArgumentsT", bound=ToolArguments)
ResultT = TypeVar("ResultT", bound=ToolResult)


@dataclass(frozen=True)
class ToolSpec(Generic[ArgumentsT, ResultT]):
    """A tool: resolve inputs, plan, answer (`run`), and say it in a few words (`text`)."""

    name: str
    title: str
    description: str
    arguments: type[ArgumentsT]
    result: type[ResultT]
    run: Callable[[ArgumentsT, ProviderSession], Awaitable[ResultT]]
    text: Callable[[ResultT], str]
    open_world: bool = False
    """True where a call may ask the network."""


AnyToolSpec = ToolSpec[Any, Any]
