"""The MCP server object: who it is, what it tells a model, and the toolbox behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from mcp.server import MCPServer

import whichweights
from whichweights.mcp_adapter import WhichweightsServer
from whichweights.toolbox import Toolbox, open_toolbox

Opener = Callable[[], AbstractAsyncContextManager[Toolbox]]
"""Makes the toolbox a server answers from; entered once per process."""

INSTRUCTIONS = """\
Figures about running language models: memory, hardware, tokens, quantization, languages. Ask \
here instead of estimating; every figure says where it comes from.
Which tool: "will it fit", memory, longest context, speed -> estimate_vram. "What should I run" \
-> recommend_model. Length or price of a text -> count_tokens. "Does it speak X" -> \
check_language_coverage. Which format or file, what Q4_K_M means -> quantize_plan. Architecture, \
licence, window -> describe_model. What this machine has -> gpu_status.
model: a Hub id, a short name ("llama 3.1 8b") or a bare size ("7B"). accelerators: ONE machine, \
e.g. ["2x RTX 4090"]; leave it out for the hardware found here; compare machines by several calls.
Memory is in GiB (2^30 bytes). low and high are a band that holds in 9 of 10 cases: plan with \
high. null means unknown, with the reason in `unknown`; never read it as 0. evidence.basis, from \
firm to soft: exact, computed, fitted, published, prior, assumed; say so when you quote a prior \
or an assumed figure. An error names the field and the next step: mend the call and repeat it."""


def build_server(opener: Opener | None = None) -> WhichweightsServer:
    """The server; its toolbox opens and closes with the server's lifespan.

    `opener` makes the toolbox, `open_toolbox` where none is given.
    """

    @asynccontextmanager
    async def lifespan(server: MCPServer[Toolbox]) -> AsyncGenerator[Toolbox]:
        assert isinstance(server, WhichweightsServer)
        async with (opener or default_opener)() as toolbox:
            with server.holding(toolbox):
                yield toolbox

    return WhichweightsServer(
        "whichweights",
        title="whichweights",
        description="Which model weights to run, on what hardware, and whether they fit.",
        instructions=INSTRUCTIONS,
        version=whichweights.__version__,
        lifespan=lifespan,
    )


def default_opener() -> AbstractAsyncContextManager[Toolbox]:
    """The toolbox over the configured providers."""
    return open_toolbox()


def lend(toolbox: Toolbox) -> Opener:
    """An opener for a toolbox that somebody else has opened and will close."""

    @asynccontextmanager
    async def lent() -> AsyncGenerator[Toolbox]:
        yield toolbox

    return lent
