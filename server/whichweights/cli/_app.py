"""Everything but `serve` and `call`: help, tools, providers, schemas, version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import whichweights
from whichweights.cli import _exits
from whichweights_schemas.errors import WhichweightsError

app = typer.Typer(
    name="whichweights",
    help="Which weights should I run, on what hardware, and will they fit? Figures with sources.",
    epilog=(
        "Exit status: 0 done, 1 the request must change, 2 wrong usage, 3 the operator must act, "
        "4 somebody else failed, 5 a defect."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_FREE = {"allow_extra_args": True, "ignore_unknown_options": True}

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def run(arguments: Sequence[str]) -> int:
    """Run a command of the app; the exit status."""
    given = list(arguments)
    if given[:1] == ["call"] and len(given) > 2 and not given[1].startswith("-"):
        given = ["tools", given[1]]  # `call TOOL --help` shows the tool's arguments
    try:
        app(given, prog_name="whichweights")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else _exits.USAGE
    except WhichweightsError as error:
        return _exits.report(error)
    return _exits.OK


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(whichweights.__version__)
        raise typer.Exit


@app.command(name="serve")
def _serve() -> None:
    """Serve MCP on stdin and stdout, for a host such as Claude Code, Cursor or VS Code.

    Ends with the host: at the end of input, on SIGTERM, on SIGINT, or when its parent is gone.
    """
    from whichweights.cli.serve import serve

    raise typer.Exit(serve(()))


@app.command(name="call", context_settings=_FREE)
def _call(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="TOOL", help="whichweights tools lists them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="The structured answer, or the error, as JSON.")
    ] = False,
) -> None:
    """Ask one question: whichweights call estimate_vram model="qwen3 32b" accelerators="RTX 4090"

    Arguments are key=value; a key given twice makes a list, options.engine_version=b5200 sets a key
    of an object, lists and objects may be JSON.

    whichweights call TOOL --help shows what a tool takes.
    """
    from whichweights.cli.call import call

    raise typer.Exit(call([tool, *context.args, *(["--json"] if as_json else [])]))


@app.command(name="tools")
def _tools(
    tool: Annotated[str | None, typer.Argument(help="Show the arguments of this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tools, or the arguments of one."""
    from whichweights.cli.tools import show_tools

    raise typer.Exit(show_tools(tool, as_json=as_json))


@app.command(name="providers")
def _providers(as_json: AsJson = False) -> None:
    """List the providers: what they answer, where they come from, whether they are usable."""
    from whichweights.cli.providers import show_providers

    raise typer.Exit(show_providers(as_json=as_json))


@app.command(name="schemas")
def _schemas(
    write: Annotated[bool, typer.Option("--write", help="Write the files.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare; status 1 on a difference.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where; default: the installed package.")
    ] = None,
) -> None:
    """Write or check the published JSON Schemas of the tools; without an option, print them."""
    from whichweights.cli import schemas

    if write and check:
        raise typer.BadParameter("--write and --check exclude each other")
    target = folder or schemas.PUBLISHED
    if write:
        raise typer.Exit(schemas.write(target))
    raise typer.Exit(schemas.check(target) if check else schemas.show())


@app.command(name="version")
def _version() -> None:
    """Print the version of whichweights, of Python and of the MCP SDK."""
    from importlib.metadata import version

    python = ".".join(str(part) for part in sys.version_info[:3])
    typer.echo(f"whichweights {whichweights.__version__} (Python {python}, mcp {version('mcp')})")
