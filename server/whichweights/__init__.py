"""Which weights to run, on what hardware, and whether they fit: an async MCP server."""

__version__ = "0.1.0"
