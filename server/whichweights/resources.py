"""What an MCP client can read without calling a tool: thin views of the toolbox, as JSON."""

from __future__ import annotations

import difflib
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from whichweights.planning.glossary import GLOSSARY, find_term
from whichweights.resolve.fertility import stand_in_rows
from whichweights.resolve.language_evidence import leaders
from whichweights.resolve.languages import resolve_language
from whichweights.tool_schemas import full_schemas
from whichweights.toolbox import Toolbox
from whichweights_schemas.errors import CallerError, UnknownLanguage

MIME_TYPE = "application/json"

_STATIC_MS = 300_000
_MODEL_MS = 60_000
_LIVE_MS = 1_000


class ResourceUnknown(LookupError):
    """No such resource; `suggestions` holds names that exist."""

    def __init__(self, suggestions: Iterable[str] = ()) -> None:
        super().__init__("resource not found")
        self.suggestions = tuple(suggestions)


class ResourceUnreadable(RuntimeError):
    """The resource exists and cannot be read now; the text says why."""


@dataclass(frozen=True)
class ResourceEntry:
    """A resource: its address (a template where it has a parameter), and who reads it.

    `private` resources depend on this machine or its configuration and must not be shared.
    """

    uri: str
    name: str
    title: str
    description: str
    read: Callable[[Toolbox, str], Awaitable[Any]]
    private: bool
    ttl_ms: int

    @property
    def is_template(self) -> bool:
        """True where the address ends in a parameter."""
        return "{" in self.uri

    @property
    def prefix(self) -> str:
        """The address up to the parameter."""
        return self.uri.partition("{")[0]


def find(uri: str) -> ResourceEntry | None:
    """The entry behind an address, None when no entry has that form."""
    for entry in RESOURCES:
        if uri == entry.uri and not entry.is_template:
            return entry
        if entry.is_template and uri.startswith(entry.prefix) and len(uri) > len(entry.prefix):
            return entry
    return None


async def read(toolbox: Toolbox, uri: str) -> str:
    """The resource's JSON text. Raises ResourceUnknown, ResourceUnreadable."""
    entry = find(uri)
    if entry is None:
        raise ResourceUnknown(nearest(uri, [entry.uri for entry in RESOURCES]))
    parameter = unquote(uri.removeprefix(entry.prefix))
    if not _is_harmless(parameter):
        raise ResourceUnknown
    return json.dumps(await entry.read(toolbox, parameter), ensure_ascii=False, indent=1)


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Up to three known names that resemble this one."""
    return tuple(difflib.get_close_matches(name[:200], list(names), n=3, cutoff=0.4))


def _is_harmless(parameter: str) -> bool:
    """No NUL, no absolute path, no way up: an address names a thing, not a place on this disk."""
    parts = parameter.replace("\\", "/").split("/")
    absolute = parts[0] == "" and len(parts) > 1
    drive = len(parts[0]) > 1 and parts[0][1] == ":"
    return not (absolute or drive or ".." in parts or "~" in parts[0] or "\0" in parameter)


async def _schema(toolbox: Toolbox, tool: str) -> Any:
    spec = toolbox.specs.get(tool)
    if spec is None:
        raise ResourceUnknown(nearest(tool, toolbox.specs))
    return full_schemas(spec)


async def _providers(toolbox: Toolbox, _: str) -> Any:
    return [asdict(info) for info in await toolbox.registry.describe()]


async def _gpus(toolbox: Toolbox, _: str) -> Any:
    return await _answer(toolbox, "gpu_status", {})


async def _model(toolbox: Toolbox, model: str) -> Any:
    return await _answer(toolbox, "describe_model", {"model": model})


async def _accelerator(toolbox: Toolbox, name: str) -> Any:
    if name.strip().lower() == "live":
        raise ResourceUnknown(("whichweights://gpus",))
    return await _answer(toolbox, "gpu_status", {"accelerators": [name]})


async def _language(toolbox: Toolbox, tag: str) -> Any:
    try:
        language = resolve_language(tag)
    except UnknownLanguage as unknown:
        raise ResourceUnknown(unknown.suggestions) from None
    session = toolbox.registry.session()
    return {
        "tag": language.tag,
        "name": language.name,
        "tokens_per_english_token": [
            row.model_dump(mode="json", exclude={"language", "tokens_per_english_word"})
            for row in await stand_in_rows(session, language.tag)
        ],
        "best_measured": [
            row.model_dump(mode="json", exclude={"measured_on"}, exclude_none=True)
            for row in await leaders(session, language.tag)
        ],
    }


async def _quantization(toolbox: Toolbox, tag: str) -> Any:
    return await _answer(toolbox, "quantize_plan", {"tag": tag})


async def _glossary(toolbox: Toolbox, name: str) -> Any:
    found = find_term(name)
    if found is None:
        raise ResourceUnknown(nearest(name.lower(), GLOSSARY))
    return asdict(found)


_NOT_FOUND = frozenset(error.code for error in CallerError.__subclasses__())


async def _answer(toolbox: Toolbox, tool: str, arguments: dict[str, Any]) -> Any:
    answer = await toolbox.call(tool, arguments)
    if not answer.is_error:
        return answer.structured
    if answer.structured.get("code") in _NOT_FOUND:
        raise ResourceUnknown(answer.structured.get("suggestions", ()))
    raise ResourceUnreadable(answer.text)


RESOURCES: tuple[ResourceEntry, ...] = (
    ResourceEntry(
        uri="whichweights://gpus",
        name="gpus",
        title="Devices of this machine",
        description="The accelerators as they are now, with total, used and free memory.",
        read=_gpus,
        private=True,
        ttl_ms=_LIVE_MS,
    ),
    ResourceEntry(
        uri="whichweights://providers",
        name="providers",
        title="Providers",
        description="Which sources of facts are installed, in which order, and their state.",
        read=_providers,
        private=True,
        ttl_ms=_LIVE_MS,
    ),
    ResourceEntry(
        uri="whichweights://schemas/{tool}",
        name="schemas",
        title="Full schema of a tool",
        description="Input and output schema with all nested rows; tools/list has slim ones.",
        read=_schema,
        private=False,
        ttl_ms=_STATIC_MS,
    ),
    ResourceEntry(
        uri="whichweights://models/{+id}",
        name="models",
        title="A model",
        description="Architecture, parameters, window and licence of a model.",
        read=_model,
        private=True,
        ttl_ms=_MODEL_MS,
    ),
    ResourceEntry(
        uri="whichweights://accelerators/{+name}",
        name="accelerators",
        title="A device by name",
        description="What a device such as RTX 4090 is: memory, bandwidth, formats it runs.",
        read=_accelerator,
        private=True,
        ttl_ms=_MODEL_MS,
    ),
    ResourceEntry(
        uri="whichweights://languages/{tag}",
        name="languages",
        title="A language",
        description="What text in it costs with common tokenizers, and the best measured models.",
        read=_language,
        private=True,
        ttl_ms=_MODEL_MS,
    ),
    ResourceEntry(
        uri="whichweights://quantizations/{+tag}",
        name="quantizations",
        title="A quantization tag",
        description="What a tag such as Q4_K_M means: bits per weight, blocks, tensors.",
        read=_quantization,
        private=False,
        ttl_ms=_STATIC_MS,
    ),
    ResourceEntry(
        uri="whichweights://glossary/{term}",
        name="glossary",
        title="A word explained",
        description="Pruning, distillation, sparsity, imatrix …: meaning, memory, evidence.",
        read=_glossary,
        private=False,
        ttl_ms=_STATIC_MS,
    ),
)
