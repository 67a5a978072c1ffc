"""MCP over stdin and stdout, for a host that starts the server as its child.

stdout carries nothing but MCP, whatever plugins print. The process ends within two seconds of the
end of input, SIGTERM or SIGINT, with a tool running too, and soon after its parent's death.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from whichweights.transports._stopping import Stopping, leave
from whichweights.transports._wire import claim

if TYPE_CHECKING:
    from whichweights.app import Opener


def serve(opener: Opener | None = None) -> int:
    """Serve until the host goes; `opener` makes the toolbox, `open_toolbox` where none is given.

    The exit status: 0, 128 + the number of a signal, or 3 when the configuration cannot be used.
    Takes over the process's standard streams, signals and exit: call it from a program's main.
    """
    # The order matters: the streams are claimed before anything is imported that could print.
    wire = claim()
    stopping = Stopping()
    stopping.catch_signals()
    stopping.watch_parent()
    if os.isatty(wire.read_fd):
        sys.stderr.write("whichweights: waiting for MCP messages from a host; Ctrl-C ends it\n")

    import anyio

    from whichweights.transports._session import run_session

    anyio.run(run_session, wire, stopping, opener)
    return leave(stopping.code or 0)
