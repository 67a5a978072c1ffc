"""How far the planner is from published measurements, by kind and by source.

    python benchmarks/memory_accuracy.py [--worst N]

Rows the collector marked as unfit are left out; models the catalogue does not have are counted.
Training runs are planned with factors fitted without their model family.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio
from _cases import Case, Matcher, load_cases
from _families import family_of
from _pairs import Pair, Unplannable
from _planned import pairs
from _planned_tables import OLLAMA_MODELS
from _planned_training import QUANTITIES, training_pairs
from _tables import median, table

from whichweights_schemas.errors import WhichweightsError

KINDS = (
    "llamacpp_log",
    "ollama_log",
    "vllm_log",
    "sglang_log",
    "transformers_infer",
    "gguf_size",
)
_BOUNDS = (0.5, 5, 7, 10, 20)
_HEAD = ("n", "MAPE %", "median %", *(f"<= {bound} %" for bound in _BOUNDS), "in band")
_RULES = ("times_1_2", "hf_mem", "accelerate")
_RULE_NAMES = ("weights x 1.2", "hf-mem style", "accelerate style")


@dataclass(frozen=True)
class Target:
    """A bar for some quantities: the share of cases within a bound, the MAPE, or the share of
    cases inside the stated band."""

    quantities: tuple[str, ...]
    bound: float | Literal["MAPE", "band"]
    bar: float


TOTALS = (
    "llama.cpp GPU total, full offload",
    "llama.cpp GPU total, experts in RAM",
    "vLLM weights + non-KV",
    "vLLM KV tokens",
    "transformers >= 4.46 peak",
    "transformers < 4.45 peak",
)
"""Whole quantities, whose stated band must hold nine of ten cases."""

TARGETS = (
    Target(("llama.cpp KV cache", "vLLM KV bytes per token", "SGLang KV bytes per token"), 0.5, 95),
    Target(("llama.cpp GPU total, full offload",), 5, 90),
    Target(("llama.cpp GPU total, experts in RAM",), 5, 80),
    Target(("vLLM weights + non-KV",), 7, 85),
    Target(("vLLM KV tokens",), 7, 85),
    Target(("transformers >= 4.46 peak",), "MAPE", 6),
    Target(("LoRA peak, real lengths",), "MAPE", 15),
    *(
        Target((f"{name}, real lengths", f"{name}, maximum lengths"), "band", 90)
        for name in QUANTITIES.values()
    ),
    *(Target((name,), "band", 90) for name in TOTALS),
)


@dataclass
class Judged:
    """All pairs, and what became of the cases that gave none."""

    pairs: list[tuple[Case, Pair]] = field(default_factory=list[tuple[Case, Pair]])
    matched: Counter[str] = field(default_factory=Counter[str])
    excluded: Counter[str] = field(default_factory=Counter[str])
    unmatched: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    unplanned: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


async def judge(cases: Iterable[Case]) -> Judged:
    """Plan every case of the kinds judged here."""
    matcher, judged = Matcher(), Judged()
    for case in cases:
        if case.excluded:
            judged.excluded[case.kind] += 1
            continue
        spec = await matcher.spec(_named(case))
        if spec is None:
            judged.unmatched[case.kind, case.get("base") or case.get("model")] += 1
            continue
        try:
            found = pairs(case, spec)
        except Unplannable as reason:
            judged.unplanned[case.kind, str(reason)] += 1
            continue
        except WhichweightsError as error:
            judged.unplanned[case.kind, f"{error.code}: {error.message}"] += 1
            continue
        judged.matched[case.kind] += 1
        judged.pairs.extend((case, pair) for pair in found)
    return judged


def _named(case: Case) -> Case:
    """The case with the model's full name, where a log prints a short one."""
    base = OLLAMA_MODELS.get(case.row.get("model", ""))
    return case if base is None else Case({**case.row, "base": base})


def statistics(found: Sequence[Pair]) -> list[object]:
    """n, mean and median error in percent, shares within the bounds, share inside the band."""
    errors = [pair.error for pair in found]
    inside = sum(pair.in_band for pair in found)

    def within(bound: float) -> str:
        return _percent(sum(abs(error) <= bound for error in errors), len(errors))

    return [
        len(errors),
        sum(map(abs, errors)) / len(errors),
        median(errors),
        *(within(bound) for bound in _BOUNDS),
        _percent(inside, len(errors)),
    ]


def rule_errors(found: Sequence[Pair]) -> list[object]:
    """Mean error of the simple rules on the same cases, in percent."""
    rows: list[object] = []
    for name in _RULES:
        said = [(getattr(pair.rules, name), pair.measured) for pair in found]
        errors = [abs(rule / measured - 1) for rule, measured in said if rule is not None]
        rows.append(100 * sum(errors) / len(errors) if errors else "-")
    return rows


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def coverage(judged: Judged, cases: Sequence[Case]) -> str:
    """How many cases of each kind took part, and why the others did not."""
    totals = Counter(case.kind for case in cases)
    rows: list[list[object]] = []
    for kind in KINDS:
        missing = sum(n for (of, _), n in judged.unmatched.items() if of == kind)
        skipped = sum(n for (of, _), n in judged.unplanned.items() if of == kind)
        matched, excluded = judged.matched[kind], judged.excluded[kind]
        rows.append([kind, totals[kind], excluded, matched, missing, skipped])
    head = ("kind", "cases", "excluded", "planned", "model not in catalogue", "not plannable")
    return table("Cases", head, rows)


def by_quantity(judged: Judged) -> str:
    rows: list[list[object]] = []
    for quantity in _quantities(judged):
        found = [pair for _, pair in judged.pairs if pair.quantity == quantity]
        rows.append([quantity, *statistics(found)])
    return table("By quantity", ("quantity", *_HEAD), rows)


def beside_rules(judged: Judged) -> str:
    """The planner's mean error beside those of rules people use, on the same cases."""
    rows: list[list[object]] = []
    for quantity in _quantities(judged):
        found = [pair for _, pair in judged.pairs if pair.quantity == quantity]
        others = rule_errors(found)
        if others != ["-"] * len(_RULES):
            mean = sum(abs(pair.error) for pair in found) / len(found)
            rows.append([quantity, len(found), mean, *others])
    head = ("quantity", "n", "planner", *_RULE_NAMES)
    return table("Mean error in percent beside simple rules", head, rows)


def by_family(judged: Judged) -> str:
    rows: list[list[object]] = []
    for quantity in _quantities(judged):
        groups: dict[str, list[Pair]] = {}
        for case, pair in judged.pairs:
            if pair.quantity == quantity:
                groups.setdefault(family_of(case.get("base") or case.row["model"]), []).append(pair)
        for family, found in sorted(groups.items(), key=lambda item: -len(item[1])):
            rows.append([quantity, family, *statistics(found)])
    return table("By quantity and model family", ("quantity", "family", *_HEAD), rows)


def targets(judged: Judged) -> str:
    rows: list[list[object]] = []
    for target in TARGETS:
        found = [pair for _, pair in judged.pairs if pair.quantity in target.quantities]
        if found:
            value, bar = reached(target, found)
            kept = value <= target.bar if target.bound == "MAPE" else value >= target.bar
            name = ", ".join(target.quantities)
            rows.append([name, len(found), bar, value, "met" if kept else "**missed**"])
    return table("Targets", ("quantity", "n", "bar", "is", "verdict"), rows)


def reached(target: Target, found: Sequence[Pair]) -> tuple[float, str]:
    """What the cases show, in percent, and the bar in words."""
    if target.bound == "MAPE":
        return sum(abs(pair.error) for pair in found) / len(found), f"MAPE <= {target.bar} %"
    if target.bound == "band":
        share = sum(pair.in_band for pair in found) / len(found)
        return 100 * share, f"{target.bar} % in the band"
    share = sum(abs(pair.error) <= target.bound for pair in found) / len(found)
    return 100 * share, f"{target.bar} % within {target.bound} %"


def by_source(judged: Judged) -> str:
    rows: list[list[object]] = []
    for quantity in _quantities(judged):
        groups: dict[str, list[Pair]] = {}
        for case, pair in judged.pairs:
            if pair.quantity == quantity:
                groups.setdefault(_publication(case.source), []).append(pair)
        for source, found in sorted(groups.items(), key=lambda item: -len(item[1])):
            rows.append([quantity, source, *statistics(found)])
    return table("By quantity and source", ("quantity", "source", *_HEAD), rows)


def _publication(source: str) -> str:
    """Discussions of one repository are one publication; notebooks of one, too."""
    head = source.partition("#")[0] if "ik_llama" in source else source
    return head.split(" nb/")[0].rsplit(" discussions", 1)[0][:60].split(" issues")[0]


def _quantities(judged: Judged) -> list[str]:
    return list(dict.fromkeys(pair.quantity for _, pair in judged.pairs))


def left_out(judged: Judged) -> str:
    rows: list[list[object]] = [
        [kind, n, f"not in the catalogue: {name}"]
        for (kind, name), n in judged.unmatched.most_common()
        if kind in KINDS
    ]
    rows.extend([kind, n, reason] for (kind, reason), n in judged.unplanned.most_common())
    return table("Left out", ("kind", "n", "why"), rows)


def worst(judged: Judged, count: int) -> str:
    rows: list[list[object]] = []
    for quantity in _quantities(judged):
        found = [(case, pair) for case, pair in judged.pairs if pair.quantity == quantity]
        found.sort(key=lambda item: -abs(item[1].error))
        rows.extend(
            [
                quantity,
                case.row["id"],
                case.get("model"),
                case.get("quantization"),
                case.get("engine_version"),
                case.get("context_tokens", "-"),
                f"{pair.measured:.4g}",
                f"{pair.planned:.4g}",
                pair.error,
                "yes" if pair.in_band else "no",
            ]
            for case, pair in found[:count]
        )
    head = ("quantity", "case", "model", "format", "version", "context", "measured", "planned")
    return table("Worst cases", (*head, "error %", "in band"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worst", type=int, default=0, help="list so many cases a quantity")
    options = parser.parse_args()
    cases = [case for case in load_cases() if case.kind in KINDS]
    judged = anyio.run(judge, cases)
    trained, untold = anyio.run(training_pairs)
    judged.pairs.extend(trained)
    judged.unplanned.update({("finetune", reason): n for reason, n in untold.items()})
    print(coverage(judged, cases))
    print(targets(judged))
    print(by_quantity(judged))
    print(beside_rules(judged))
    print(by_source(judged))
    print(by_family(judged))
    print(left_out(judged))
    if options.worst:
        print(worst(judged, options.worst))


if __name__ == "__main__":
    main()
