"""Arguments and results of every tool, one module a tool."""
