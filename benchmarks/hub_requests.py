"""Requests, bytes and wall time of one question about a repository, on a local Hub.

The Hub is the one of the tests: real HTTP on loopback, true headers, so the counts are those of the
real one and the times are without its distance. `--hf-mem PYTHON` = an interpreter that has hf-mem
installed: it is asked the same questions there, its address of the Hub replaced by the local one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "plugins" / "hub"))

from _tables import load, table, verdict
from invented import Invented, dense, latent, mixture, packed
from local_hub import LocalHub

from whichweights.testing import construct
from whichweights_plugins.hub.provider import HubProvider
from whichweights_schemas.requests import FindModel

MAX_REQUESTS, MAX_BYTES, MAX_SECONDS = 3, 1_000_000, 0.5
ROUNDS = 5
BIG = dense(layers=163, h=4096, width=14_336, vocabulary=128_000)
QUESTIONS: tuple[tuple[str, Invented, int, bool], ...] = (
    ("dense, 1 file", dense(), 1, False),
    ("mixture of experts, 4 files", mixture(), 4, False),
    ("latent attention, 8 files", latent(), 8, False),
    ("packed 4-bit, 1 file", packed(dense(h=512, width=1024)), 1, False),
    ("dense, 163 files", BIG, 163, False),
    ("dense, 163 files, gated", BIG, 163, True),
)
HF_MEM = """
import asyncio, json, sys, time, warnings
import httpx2
warnings.simplefilter("ignore")
endpoint, model = sys.argv[1:3]
send = httpx2.AsyncClient.send
async def redirected(self, request, **options):
    if request.url.host == "huggingface.co":
        place = httpx2.URL(endpoint)
        request.url = request.url.copy_with(scheme="http", host=place.host, port=place.port)
        request.headers["host"] = f"{place.host}:{place.port}"
    return await send(self, request, **options)
httpx2.AsyncClient.send = redirected
from hf_mem.run import arun
started = time.perf_counter()
error = None
try:
    asyncio.run(arun(model_id=model, revision="main", experimental=True))
except Exception as problem:
    error = type(problem).__name__
print(json.dumps({"seconds": time.perf_counter() - started, "error": error}))
"""


async def asked(hub: LocalHub, cache: Path, model: str) -> tuple[float, str]:
    """Seconds of one answer in a warm process, and what it says."""
    settings = {"endpoint": hub.endpoint, "cache_file": str(cache), "timeout": 10, "token_env": ""}
    provider = construct(HubProvider, settings)
    started = time.perf_counter()
    (ref,) = await provider.find(FindModel(query=model))
    spec = await provider.spec(ref)
    seconds = time.perf_counter() - started
    await provider.aclose()
    assert spec is not None
    told = "shape" if spec.layout else "size only"
    return seconds, f"{told}, {(spec.parameters.total or 0) / 1e9:.3f} B"


def ours(hub: LocalHub, model: str) -> list[tuple[str, int, int, float, str]]:
    rows: list[tuple[str, int, int, float, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("empty cache", "again"):
            times: list[float] = []
            told = ""
            for number in range(ROUNDS):
                hub.log.clear()
                file = Path(folder) / ("kept" if name == "again" else str(number))
                if name == "again" and number == 0:
                    asyncio.run(asked(hub, file, model))
                    hub.log.clear()
                seconds, told = asyncio.run(asked(hub, file, model))
                times.append(seconds)
            rows.append((name, len(hub.log), hub.sent_bytes, statistics.median(times), told))
    return rows


def theirs(hub: LocalHub, python: str, model: str) -> tuple[str, int, int, float, str]:
    hub.log.clear()
    done = subprocess.run(
        [python, "-c", HF_MEM, hub.endpoint, model],
        capture_output=True, encoding="utf-8", check=True, timeout=120,
    )  # fmt: skip
    result = json.loads(done.stdout.splitlines()[-1])
    told = f"fails: {result['error']}" if result["error"] else "answered"
    return "hf-mem", len(hub.log), hub.sent_bytes, result["seconds"], told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hf-mem", metavar="PYTHON", help="an interpreter that has hf-mem")
    python: str | None = parser.parse_args().hf_mem
    rows: list[list[object]] = []
    with LocalHub() as hub:
        hub.add(dense().repo("warm/Up"))
        with tempfile.TemporaryDirectory() as folder:  # imports are no part of a question
            asyncio.run(asked(hub, Path(folder) / "cache", "warm/Up"))
        for number, (name, model, shards, gated) in enumerate(QUESTIONS):
            identifier = f"bench/Model-{number}"
            hub.add(model.repo(identifier, shards=shards, gated=gated))
            for who, requests, size, seconds, told in ours(hub, identifier):
                bar = max(requests / MAX_REQUESTS, size / MAX_BYTES, seconds / MAX_SECONDS)
                rows.append([name, who, requests, size, seconds, told, verdict(bar, 1.0)])
            if python:
                rows.append([name, *theirs(hub, python, identifier), ""])
    head = ["repository", "who", "requests", "bytes sent", "seconds", "told", "bars kept"]
    bars = f"bars: {MAX_REQUESTS} requests, {MAX_BYTES:,} bytes, {MAX_SECONDS:g} s"
    print(table(f"Shape and size of a repository ({bars})", head, rows))
    print(f"\n{load()}; seconds: median of {ROUNDS}, hf-mem once, in a process that has it loaded")


if __name__ == "__main__":
    main()
