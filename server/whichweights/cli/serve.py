"""`whichweights serve`: the MCP server on stdin and stdout."""

from __future__ import annotations

from collections.abc import Sequence

from whichweights.transports.stdio import serve as serve_stdio


def serve(arguments: Sequence[str]) -> int:
    """Serve MCP over stdio until the host goes; the exit status."""
    if arguments:
        from whichweights.cli._exits import USAGE, complain

        complain(f"serve takes no argument {arguments[0]!r}; see whichweights serve --help")
        return USAGE
    return serve_stdio()
