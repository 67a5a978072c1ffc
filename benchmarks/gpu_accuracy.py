"""The planner beside what transformers took on an H100, by method: rows of measure_on_gpu.py.

    python benchmarks/gpu_accuracy.py [--rows]

The peak is torch's own counter, so the planned total without `runtime` stands beside it; the band
is judged with the CUDA context the driver showed. Rows marked `held_out` were measured after the
rules were written down; those of gpt-oss and granite-4.0-h then gave the rules for attention sinks
and for a Mamba-2 scan without kernels, and count as seen.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from _tables import median, table

import whichweights

ROWS = Path(__file__).parent / "data" / "gpu_measurements.jsonl"
IDLE_MIB = 480
"""What the driver of that machine holds without any process; a context is counted beyond it."""


@dataclass(frozen=True)
class Judged:
    """One measured row and what was planned, in MiB."""

    row: dict[str, Any]
    planned: float
    low: float
    high: float

    @property
    def error(self) -> float:
        return 100 * (self.planned / self.row["total_mib"] - 1)

    @property
    def covered(self) -> bool:
        whole = self.row["total_mib"] + self.row["context_mib"] - IDLE_MIB
        return self.low <= whole <= self.high


def question(row: dict[str, Any]) -> dict[str, Any]:
    """The arguments of estimate_vram for a measured row."""
    common = {"model": row["model"], "engine": "transformers", "accelerators": "H100 80GB"}
    options: dict[str, Any] = {"engine_version": row["engine_version"]}
    if row["kind"] == "transformers_infer":
        options |= {"prompt_tokens": row["input_len"], "load_vision": False}
        return {
            **common,
            "quantization": "BF16",
            "context_tokens": row["input_len"] + row["output_len"],
            "concurrent_sequences": row["batch"],
            "options": options,
        }
    options |= {
        "sequence_length": row["seq_len"],
        "micro_batch": row["batch"],
        "gradient_checkpointing": row["grad_ckpt"],
        "packed": True,
        "optimizer": "adamw",
    }
    if "lora_r" in row:
        options["lora_rank"] = row["lora_r"]
    workload = "full_finetune" if row["method"] == "full" else row["method"]
    return {**common, "workload": workload, "options": options}


async def judge() -> list[Judged]:
    """Every measured row, planned by the public tool."""
    judged: list[Judged] = []
    async with whichweights.open_toolbox() as tools:
        for line in ROWS.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            memory = (await tools.estimate_vram(**question(row))).memory_gib
            planned = 1024 * (memory.total - memory.runtime)
            judged.append(Judged(row, planned, 1024 * memory.low, 1024 * memory.high))
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", action="store_true", help="every row too")
    options = parser.parse_args()
    judged = anyio.run(judge)
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        name = one.row.get("method", "inference")
        groups[f"{name}, held out" if one.row.get("held_out") else name].append(one)
    head = ("method", "n", "models", "MAPE %", "median %", "worst %", "in band %")
    print(
        table(
            "transformers on an H100: planned against measured",
            head,
            (
                (
                    name,
                    len(found),
                    len({one.row["model"] for one in found}),
                    sum(abs(one.error) for one in found) / len(found),
                    median([one.error for one in found]),
                    max((one.error for one in found), key=abs),
                    round(100 * sum(one.covered for one in found) / len(found)),
                )
                for name, found in sorted(groups.items())
            ),
        )
    )
    if options.rows:
        for one in judged:
            row = one.row
            length = row.get("seq_len") or row["input_len"]
            print(
                f"{row.get('method', 'inference'):9} {row['model']:40} {length:6} x {row['batch']} "
                f"{row['total_mib']:9.0f} MiB {one.error:+6.1f} %"
            )


if __name__ == "__main__":
    main()
