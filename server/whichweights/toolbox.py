"""All tools as plain async methods: MCP, the command line and in-process callers share it."""

from __future__ import annotations

import difflib
import logging
import traceback
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whichweights.arguments import parse_arguments
from whichweights.config import Config, load_config
from whichweights.registry import Registry
from whichweights.tools import tool_specs
from whichweights.tools._spec import AnyToolSpec, ArgumentsT, ResultT, ToolSpec
from whichweights_schemas.errors import WhichweightsError

if TYPE_CHECKING:  # a call imports the shapes of its own tool only
    from whichweights_schemas.tools.check_language_coverage import CheckLanguageCoverageResult
    from whichweights_schemas.tools.count_tokens import CountTokensResult
    from whichweights_schemas.tools.describe_model import DescribeModelResult
    from whichweights_schemas.tools.estimate_vram import EstimateVramResult
    from whichweights_schemas.tools.gpu_status import GpuStatusResult
    from whichweights_schemas.tools.quantize_plan import QuantizePlanResult
    from whichweights_schemas.tools.recommend_model import RecommendModelResult

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToolAnswer:
    """What a caller gets: the structured result, and the same in a few words."""

    structured: dict[str, Any]
    text: str
    is_error: bool = False


class UnknownTool(LookupError):
    """No tool of that name; `suggestions` holds the nearest ones."""

    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.suggestions = suggestions


class Toolbox:
    """The tools over one registry: one method a tool, and `call` for the wire."""

    def __init__(self, registry: Registry, specs: Mapping[str, AnyToolSpec]) -> None:
        self.registry = registry
        self.specs = specs

    async def recommend_model(self, **arguments: Any) -> RecommendModelResult:
        """Which weights to run for a task. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("recommend_model"), arguments)

    async def estimate_vram(self, **arguments: Any) -> EstimateVramResult:
        """Whether a model fits. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("estimate_vram"), arguments)

    async def quantize_plan(self, **arguments: Any) -> QuantizePlanResult:
        """Which format to use. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("quantize_plan"), arguments)

    async def check_language_coverage(self, **arguments: Any) -> CheckLanguageCoverageResult:
        """How good a model is in a language. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("check_language_coverage"), arguments)

    async def count_tokens(self, **arguments: Any) -> CountTokensResult:
        """How many tokens a text has. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("count_tokens"), arguments)

    async def describe_model(self, **arguments: Any) -> DescribeModelResult:
        """What a model is. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("describe_model"), arguments)

    async def gpu_status(self, **arguments: Any) -> GpuStatusResult:
        """What devices there are. Arguments as in the tool; raises WhichweightsError."""
        return await self._run(self._spec("gpu_status"), arguments)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        """The answer for the wire: errors become answers with `is_error`. Raises UnknownTool."""
        spec = self._spec(name)
        try:
            result = await self._run(spec, arguments)
            return ToolAnswer(result.model_dump(mode="json"), spec.text(result))
        except WhichweightsError as error:
            return error_answer(error)
        except Exception as error:  # the tool boundary: a defect must not reach the host
            _log_defect(name, error)
            return ToolAnswer(
                {
                    "code": "internal_error",
                    "message": f"{name} failed: a defect of whichweights ({type(error).__name__})",
                    "hint": "please report it with the call that caused it",
                },
                f"{name} failed: a defect of whichweights ({type(error).__name__})",
                is_error=True,
            )

    async def _run(
        self, spec: ToolSpec[ArgumentsT, ResultT], arguments: Mapping[str, Any]
    ) -> ResultT:
        parsed = parse_arguments(spec.arguments, arguments)
        session = self.registry.session()
        result = await spec.run(parsed, session)
        return result.model_copy(
            update={
                "providers": session.reports,
                "warnings": (*result.warnings, *session.warnings),
            }
        )

    def _spec(self, name: str) -> AnyToolSpec:
        spec = self.specs.get(name)
        if spec is None:
            near = difflib.get_close_matches(name[:80], self.specs, n=3, cutoff=0.4)
            raise UnknownTool(name, tuple(near))
        return spec


def error_answer(error: WhichweightsError) -> ToolAnswer:
    """An error as an answer: one line of text, and the members of the contract."""
    line = f"{error.code}: {error.message}"
    if error.hint:
        line += f". {_sentence(error.hint)}"
    if error.suggestions and not any(s in line for s in error.suggestions[:1]):
        line += f" ({', '.join(error.suggestions[:6])})"
    structured = {name: _printable(value) for name, value in error.detail().items()}
    return ToolAnswer(structured, _printable(line), is_error=True)


def _printable(value: Any) -> Any:
    """Text in one line, without what a terminal would obey or UTF-8 cannot hold."""
    if isinstance(value, str):
        line = " ".join(value.split())
        return "".join(character if character.isprintable() else "\ufffd" for character in line)
    return [_printable(entry) for entry in value]


def _sentence(hint: str) -> str:
    """The hint with a capital, unless it begins with a name such as describe_model."""
    first = hint.split(maxsplit=1)[0]
    return hint if "_" in first or not first[0].isalpha() else f"{hint[0].upper()}{hint[1:]}"


def _log_defect(name: str, error: Exception) -> None:
    """Where it happened, without the values: arguments are the user's own text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-6:]))
    _logger.error("tool %s raised %s at %s", name, type(error).__name__, where)


@asynccontextmanager
async def open_toolbox(config: Config | None = None) -> AsyncGenerator[Toolbox]:
    """The toolbox over the configured providers, closed at the end of the block.

    Raises OperatorError when the configuration cannot be read.
    """
    loaded = config if config is not None else load_config()
    registry = Registry(loaded.registry_settings())
    try:
        yield Toolbox(registry, tool_specs())
    finally:
        await registry.aclose()
