"""Which weights to run, on what hardware, and whether they fit: an async MCP server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whichweights.toolbox import Toolbox, open_toolbox

__version__ = "0.1.0"

__all__ = ["Toolbox", "__version__", "open_toolbox"]


def __getattr__(name: str) -> Any:
    """Import the toolbox when it is asked for: the command line starts without it."""
    if name in ("Toolbox", "open_toolbox"):
        from whichweights import toolbox

        return getattr(toolbox, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
