"""Fine-tuning runs as pairs: each planned with factors fitted without its model family."""

from __future__ import annotations

from collections import Counter

from _cases import Case
from _finetune_cases import MIB, Row, finetune_rows
from _pairs import Pair, Rules
from fit_training import Judged, left_out

__all__ = ["QUANTITIES", "training_pairs"]

QUANTITIES = {"lora": "LoRA peak", "qlora": "QLoRA peak", "full_finetune": "full fine-tune peak"}


async def training_pairs() -> tuple[list[tuple[Case, Pair]], Counter[str]]:
    """(case, pair) of every run that says enough, and why the others do not."""
    rows, left = await finetune_rows()
    return [(one.row.case, _pair(one)) for one in left_out(rows)], left


def _pair(one: Judged) -> Pair:
    row = one.row
    lengths = "real lengths" if row.known_length else "maximum lengths"
    return Pair(
        f"{QUANTITIES[row.workload]}, {lengths}",
        row.measured * MIB,
        one.value * MIB,
        one.low * MIB,
        one.high * MIB,
        _rules(row),
    )


def _rules(row: Row) -> Rules:
    """hf-mem knows the weights alone; accelerate's line for Adam is four times the model."""
    weights = 2.0 * (row.spec.parameters.total or row.spec.parameters.language or 0)
    return Rules(times_1_2=1.2 * weights, hf_mem=weights, accelerate=4 * weights)
