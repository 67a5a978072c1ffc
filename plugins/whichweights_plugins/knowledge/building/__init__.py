"""Rebuilds and checks the embedded tables; not imported when the server runs.

A table is added by a module of this package (its name not starting with `_`) that defines
`BUILDERS: tuple[TableBuilder, ...]`; the command finds it by itself.
"""
