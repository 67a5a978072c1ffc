"""One answer from the command line, whole process, beside `python -c 'import pydantic'`.

    python benchmarks/command_line.py [--runs N]

Bar: four times that import. The MCP SDK, the Hub client and tokenizers must not be imported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from _tables import load, median, table, verdict

BAR = 4.0
MUST_NOT = ("mcp", "mcp_types", "huggingface_hub", "tokenizers", "typer", "rich", "langcodes")
"""Top-level packages an answer from the embedded tables does without."""

_ANSWER = ["call", "estimate_vram", "model=llama 3.1 8b", "accelerators=RTX 4090", "--json"]
_PYDANTIC = [sys.executable, "-c", "import pydantic"]
_OURS = [sys.executable, "-m", "whichweights", *_ANSWER]


def run(command: list[str]) -> float:
    """Seconds of the whole process. Raises CalledProcessError."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def imported() -> dict[str, float]:
    """Every module an answer imports, with its own milliseconds."""
    command = [sys.executable, "-X", "importtime", "-m", "whichweights", *_ANSWER]
    done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    found: dict[str, float] = {}
    for line in done.stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            found[fields[2].strip()] = int(fields[0]) / 1000
    return found


def packages(modules: dict[str, float]) -> dict[str, float]:
    """Milliseconds of each top-level package."""
    found: dict[str, float] = {}
    for name, own in modules.items():
        top = name.partition(".")[0]
        found[top] = found.get(top, 0.0) + own
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    count: int = parser.parse_args().runs
    run(_PYDANTIC)  # the first runs compile what nobody compiled yet
    run(_OURS)
    times = [(run(_PYDANTIC), run(_OURS)) for _ in range(count)]
    base, ours = median([one for one, _ in times]), median([other for _, other in times])
    head = ("median of " + str(count), "import pydantic, ms", "answer, ms", "ratio", "bar", "kept")
    row = ["whole process", 1000 * base, 1000 * ours, ours / base]
    print(table("Command line", head, [[*row, f"<= {BAR:.0f}", verdict(ours / base, BAR)]]))
    modules = imported()
    spent = packages(modules)
    rows = [[name, "**imported**" if name in spent else "not imported"] for name in MUST_NOT]
    print(table("Packages an answer must do without", ("package", "state"), rows))
    costly = sorted(spent.items(), key=lambda item: -item[1])[:12]
    print(table("Where the imports go", ("package", "own ms"), [[k, v] for k, v in costly]))
    print(f"\n{len(modules)} modules; {load()}")


if __name__ == "__main__":
    main()
