"""`whichweights providers`: who is installed, in which order they are asked, how they are."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict

import anyio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whichweights.cli import _exits
from whichweights.registry import ProviderInfo
from whichweights.toolbox import open_toolbox
from whichweights.transports._stopping import leave
from whichweights.transports._wire import claim

_STYLES = {"ready": "green", "unavailable": "yellow", "disabled": "dim"}


def show_providers(*, as_json: bool) -> int:
    """Print every provider with its state and reason; the exit status.

    stdout carries the list only, whatever plugins print.
    """
    wire = claim(stdin=False)
    with os.fdopen(wire.write_fd, "w", encoding="utf-8", errors="replace") as out:
        infos = anyio.run(_described)
        if as_json:
            rows = [asdict(info) for info in infos]
            out.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        else:
            Console(file=out).print(_table(infos))
    return leave(_exits.OK)


async def _described() -> list[ProviderInfo]:
    async with open_toolbox() as toolbox:
        return await toolbox.registry.describe()


def _table(infos: Sequence[ProviderInfo]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("kind", "name", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("from", overflow="fold")
    table.add_column("reason or facts", overflow="fold")
    for info in infos:
        facts = ", ".join(f"{name}: {value}" for name, value in info.facts.items())
        table.add_row(
            info.kind,
            Text(info.name, style="cyan"),
            Text(info.state, style=_STYLES.get(info.state, "red")),
            Text(f"{info.distribution} {info.version or ''}".rstrip()),
            Text(info.reason or facts or "-"),
        )
    return table
