"""The command line. `serve` and `call` are dispatched before anything else is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_HELP = frozenset({"--help", "-h"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    0 done · 1 the request must change · 2 wrong usage · 3 the operator must act · 4 somebody else
    failed · 5 a defect of whichweights · 128 + n ended by signal n.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command, rest = (given[0], given[1:]) if given else ("", [])
    wants_help = bool(_HELP.intersection(rest))
    if command == "serve" and not wants_help:
        from whichweights.cli.serve import serve

        return serve(rest)
    if command == "call" and not wants_help:
        from whichweights.cli.call import call

        return call(rest)
    from whichweights.cli._app import run

    return run(given)
