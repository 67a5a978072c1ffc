"""The one module that touches provisional parts of the MCP SDK (written against mcp 2.3).

Provisional: overriding the list/call/read methods of `MCPServer`, the middleware signature, and
`_lowlevel_server`, which is the only way to serve over streams of our own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mcp.server import CacheHint, MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.context import Context
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    PromptReference,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import AnyUrl

from whichweights import completions, prompts, resources
from whichweights.resolve.progress import progress_to
from whichweights.tool_schemas import input_schema, output_schema
from whichweights.toolbox import Toolbox, UnknownTool
from whichweights.tools._spec import AnyToolSpec

LIST_TTL_MS = 300_000
"""Lists change only with a new version of the server."""

_SHOWN_CHARACTERS = 80

_LISTS = CacheHint(ttl_ms=LIST_TTL_MS, scope="public")


@dataclass
class _Open:
    toolbox: Toolbox
    definitions: list[Tool] | None = None


class WhichweightsServer(MCPServer[Toolbox]):
    """`MCPServer` whose tools and resources are those of a toolbox.

    The lifespan must yield the toolbox inside `self.holding(toolbox)`.
    """

    def __init__(self, name: str, **settings: Any) -> None:
        self._held: list[_Open] = []
        super().__init__(
            name,
            log_level="WARNING",  # below it the SDK logs what callers wrote
            cache_hints={
                "server/discover": _LISTS,
                "tools/list": _LISTS,
                "prompts/list": _LISTS,
                "resources/list": _LISTS,
                "resources/templates/list": _LISTS,
                "resources/read": CacheHint(ttl_ms=0, scope="private"),
            },
            subscriptions=False,  # no list changes and no resource announces its changes
            middleware=[_cache_by_resource],
            **settings,
        )
        self.completion()(self._complete)

    @contextmanager
    def holding(self, toolbox: Toolbox) -> Generator[Toolbox]:
        """Answer from this toolbox inside the block."""
        held = _Open(toolbox)
        self._held.append(held)
        try:
            yield toolbox
        finally:
            self._held.remove(held)

    async def list_tools(self) -> list[Tool]:
        """The slim definitions, in the toolbox's order."""
        held = self._held[-1]
        if held.definitions is None:
            held.definitions = [definition(spec) for spec in held.toolbox.specs.values()]
        return held.definitions

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Toolbox, Any] | None = None
    ) -> CallToolResult:
        """The toolbox's answer. Raises MCPError (-32602) for a tool it does not have."""
        try:
            with progress_to(_nobody if context is None else context.report_progress):
                answer = await self._toolbox(context).call(name, arguments)
        except UnknownTool as unknown:
            raise _unknown("tool", name, unknown.suggestions) from None
        return CallToolResult(
            content=[TextContent(type="text", text=answer.text)],
            structured_content=answer.structured,
            is_error=answer.is_error,
        )

    async def list_prompts(self) -> list[Prompt]:
        """The prompts, in a fixed order."""
        return [
            Prompt(
                name=entry.name,
                title=entry.title,
                description=entry.description,
                arguments=[
                    PromptArgument(
                        name=one.name, description=one.description, required=one.required
                    )
                    for one in entry.inputs
                ],
            )
            for entry in prompts.PROMPTS
        ]

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[Toolbox, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """The prompt as a message. Raises MCPError (-32602): no such prompt, or wrong arguments."""
        entry = prompts.find(name)
        if entry is None:
            known = [one.name for one in prompts.PROMPTS]
            raise _unknown("prompt", name, resources.nearest(name, known))
        try:
            text = entry.render(arguments or {})
        except prompts.PromptArgumentError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from None
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=entry.description, messages=[message])

    async def _complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _: CompletionContext | None,
    ) -> Completion:
        """Values for a half-typed argument; of something unknown an empty list."""
        domain = _domain(ref, argument.name)
        if domain is None:
            return Completion(values=[], total=0, has_more=False)
        values, total = await completions.complete(self._toolbox(None), domain, argument.value)
        return Completion(values=values, total=total, has_more=total > len(values))

    async def list_resources(self) -> list[Resource]:
        """The resources without parameters."""
        return [
            Resource(
                uri=entry.uri,
                name=entry.name,
                title=entry.title,
                description=entry.description,
                mime_type=resources.MIME_TYPE,
            )
            for entry in resources.RESOURCES
            if not entry.is_template
        ]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """The resources with a parameter."""
        return [
            ResourceTemplate(
                uri_template=entry.uri,
                name=entry.name,
                title=entry.title,
                description=entry.description,
                mime_type=resources.MIME_TYPE,
            )
            for entry in resources.RESOURCES
            if entry.is_template
        ]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Toolbox, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """The resource as JSON.

        Raises MCPError: -32602 for one that does not exist, -32603 for one that cannot be read.
        """
        try:
            text = await resources.read(self._toolbox(context), str(uri))
        except resources.ResourceUnknown as unknown:
            message = f"resource not found: {_shorten(str(uri))}"
            raise MCPError(
                INVALID_PARAMS,
                message + _nearest(unknown.suggestions),
                {"uri": str(uri), "suggestions": list(unknown.suggestions)},
            ) from None
        except resources.ResourceUnreadable as error:
            raise MCPError(INTERNAL_ERROR, str(error), {"uri": str(uri)}) from None
        return [ReadResourceContents(content=text, mime_type=resources.MIME_TYPE)]

    def _toolbox(self, context: Context[Toolbox, Any] | None) -> Toolbox:
        return (
            self._held[-1].toolbox if context is None else context.request_context.lifespan_context
        )


async def _nobody(_done: float, _total: float | None, _message: str | None) -> None:
    """Progress of a call that came by no connection."""


def definition(spec: AnyToolSpec) -> Tool:
    """What tools/list says about a tool: slim schemas, no automatic titles."""
    return Tool(
        name=spec.name,
        title=spec.title,
        description=spec.description,
        input_schema=input_schema(spec),
        output_schema=output_schema(spec, slim=True),
        annotations=ToolAnnotations(
            read_only_hint=True,
            destructive_hint=False,
            idempotent_hint=True,
            open_world_hint=spec.open_world,
        ),
    )


async def run_over(
    server: WhichweightsServer,
    receive: ReadStream[SessionMessage | Exception],
    send: WriteStream[SessionMessage],
) -> None:
    """Serve one connection over these streams until the receiving one ends."""
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # see module docstring
    await lowlevel.run(receive, send, lowlevel.create_initialization_options())


async def _cache_by_resource(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Hints per resource: the SDK has one for all of them."""
    result = await call_next(ctx)
    if ctx.method == "resources/read" and isinstance(result, dict) and "ttlMs" in result:
        entry = resources.find(str((ctx.params or {}).get("uri", "")))
        if entry is not None:
            scope = "private" if entry.private else "public"
            return {**result, "ttlMs": entry.ttl_ms, "cacheScope": scope}
    return result


def _domain(ref: PromptReference | ResourceTemplateReference, argument: str) -> str | None:
    """What an argument is completed from, None where nothing is known of it."""
    if isinstance(ref, PromptReference):
        entry = prompts.find(ref.name)
        inputs = entry.inputs if entry else ()
        return next((one.completes for one in inputs if one.name == argument), None)
    return next((e.name for e in resources.RESOURCES if e.is_template and e.uri == ref.uri), None)


def _unknown(kind: str, name: str, suggestions: tuple[str, ...]) -> MCPError:
    message = f"unknown {kind}: {_shorten(name)}{_nearest(suggestions)}"
    return MCPError(INVALID_PARAMS, message, {"suggestions": list(suggestions)})


def _nearest(suggestions: tuple[str, ...]) -> str:
    return f"; nearest: {', '.join(suggestions)}" if suggestions else ""


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"
