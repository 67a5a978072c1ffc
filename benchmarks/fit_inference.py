"""Fits the constants of inference buffers and checks them on model families left out.

    python benchmarks/fit_inference.py

Each constant is fitted on all model families but one and judged on that one, in turn; the bands
are the spread of those errors. Prints the errors, and the literals to keep beside the formulas in
`planning/buffers/`. Families are split, never rows: most rows of a family say the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
from _cases import Case, Matcher, load_cases
from _families import family_of
from _pairs import GIB, MIB, Unplannable, plan_case, roomy_devices
from _planned import Pair, pairs
from _tables import median, percentile, table

from whichweights.planning._settings import resolve_settings
from whichweights.planning.buffers import BufferFacts, buffer_facts
from whichweights.planning.buffers.transformers import LEAN_K, K, activation_peak
from whichweights.planning.buffers.vllm import LEAN, WIDE_BYTES, forward_pass, lean_terms
from whichweights.planning.engine_versions import (
    TRANSFORMERS_LAST_LOGITS,
    TRANSFORMERS_LEAN_PREFILL,
    VLLM_LEAN_SAMPLER,
    VLLM_V1,
    before,
)
from whichweights.planning.memory_types import Settings
from whichweights_schemas.attention import LatentAttention
from whichweights_schemas.deployment import Deployment, EngineOptions
from whichweights_schemas.errors import WhichweightsError
from whichweights_schemas.models import ModelSpec

_PRIOR_WEIGHT = 0.002
_ROUNDS = 400
_EDGES = (0.04, 0.96)
"""Percentiles of the errors that make a band; a factor beyond them for families not seen."""

_MARGIN = 1.03

_LEAN_PRIOR = (40.0, 14.2, 2.0, 1.0, 200.0)
"""14.2 B an entry is what a line through 30 published runs gives; the others are counts."""


@dataclass(frozen=True)
class Row:
    """One measurement: what it is a sum of, and how much was measured (bytes)."""

    family: str
    measured: float
    predict: Callable[[Sequence[float]], float]
    terms: tuple[float, ...] = ()


@dataclass(frozen=True)
class Fit:
    """A set of constants for one kind of row, and how to find them."""

    name: str
    literal: str
    now: tuple[float, ...]
    rows: tuple[Row, ...]
    find: Callable[[Sequence[Row]], tuple[float, ...]]


def share_of(row: Row, rows: Sequence[Row]) -> float:
    """Every family counts the same, however many rows it has."""
    return 1.0 / sum(other.family == row.family for other in rows)


def linear(prior: Sequence[float]) -> Callable[[Sequence[Row]], tuple[float, ...]]:
    """Least squares of the relative errors by coordinate descent, no factor below zero, with a
    weak pull to the prior where the rows do not decide."""

    def find(rows: Sequence[Row]) -> tuple[float, ...]:
        found = list(prior)
        for _ in range(_ROUNDS):
            for index, before_fit in enumerate(prior):
                above = pull = 0.0
                for row in rows:
                    weight, term = share_of(row, rows), row.terms[index] / row.measured
                    rest = sum(f * t for f, t in zip(found, row.terms, strict=True))
                    rest = rest / row.measured - found[index] * term
                    above += weight * term * (1 - rest)
                    pull += weight * term * term
                scale = _PRIOR_WEIGHT / (before_fit * before_fit)
                found[index] = max(0.0, (above + scale * before_fit) / (pull + scale))
        return tuple(found)

    return find


def proportional(rows: Sequence[Row]) -> tuple[float, ...]:
    """The middle of measured over the first term, which one odd family does not move."""
    found = sorted((row.measured / row.terms[0], share_of(row, rows)) for row in rows)
    half, passed = sum(weight for _, weight in found) / 2, 0.0
    for ratio, weight in found:
        passed += weight
        if passed >= half:
            return (ratio,)
    raise ValueError("no rows")


def searched(values: Sequence[float]) -> Callable[[Sequence[Row]], tuple[float, ...]]:
    """The one constant with the smallest mean error."""

    def find(rows: Sequence[Row]) -> tuple[float, ...]:
        def error(value: float) -> float:
            return sum(
                share_of(row, rows) * abs(row.predict((value,)) / row.measured - 1) for row in rows
            )

        return (min(values, key=error),)

    return find


def ratios_left_out(fit: Fit) -> list[tuple[str, float]]:
    """(family, measured over predicted) of every row, fitted without its family."""
    found: list[tuple[str, float]] = []
    for family in sorted({row.family for row in fit.rows}):
        others = [row for row in fit.rows if row.family != family]
        constants = fit.find(others) if others else fit.now
        own = [row for row in fit.rows if row.family == family]
        found.extend((family, row.measured / row.predict(constants)) for row in own)
    return found


def band_of(ratios: Sequence[float]) -> tuple[float, float]:
    """The band around one that holds the ratios, widened for families not seen."""
    low, high = (percentile(list(ratios), edge) for edge in _EDGES)
    return min(1.0, low / _MARGIN), max(1.0, high * _MARGIN)


def coverage_left_out(ratios: Sequence[tuple[str, float]]) -> float:
    """Share of rows inside the band that the other families' errors make."""
    inside = 0
    for family in {family for family, _ in ratios}:
        others = [ratio for name, ratio in ratios if name != family]
        low, high = band_of(others or [ratio for _, ratio in ratios])
        inside += sum(low <= ratio <= high for name, ratio in ratios if name == family)
    return 100 * inside / len(ratios)


def judged(fit: Fit) -> list[object]:
    ratios = ratios_left_out(fit)
    errors = [abs(1 / ratio - 1) for _, ratio in ratios]
    low, high = band_of([ratio for _, ratio in ratios])
    families = len({row.family for row in fit.rows})
    mean, share = 100 * sum(errors) / len(errors), coverage_left_out(ratios)
    edges = f"{low:.2f} to {high:.2f}"
    return [fit.name, len(errors), families, mean, 100 * median(errors), edges, share]


def by_family(fit: Fit) -> list[list[object]]:
    groups: dict[str, list[float]] = {}
    for family, ratio in ratios_left_out(fit):
        groups.setdefault(family, []).append(ratio)
    return [
        [fit.name, family, len(found), 100 * sum(abs(1 / r - 1) for r in found) / len(found)]
        for family, found in sorted(groups.items())
    ]


def literal(fit: Fit) -> list[object]:
    found = ", ".join(f"{value:.4g}" for value in fit.find(fit.rows))
    return [fit.literal, found, ", ".join(f"{value:.4g}" for value in fit.now)]


async def matched() -> list[tuple[Case, ModelSpec]]:
    """Every case that counts and that the catalogue has a model for."""
    matcher = Matcher()
    found: list[tuple[Case, ModelSpec]] = []
    for case in load_cases():
        spec = None if case.excluded else await matcher.spec(case)
        if spec is not None:
            found.append((case, spec))
    return found


def vllm_settings(case: Case) -> Settings:
    """The settings the planner would use for a log."""
    given = {
        "engine_version": case.get("engine_version"),
        "max_batched_tokens": case.get("max_batched_tokens"),
        "max_num_seqs": case.get("max_num_seqs"),
        "tensor_parallel": case.get("tensor_parallel"),
    }
    size = case.get("device_gib")
    deployment = Deployment(
        engine="vllm",
        quantization="BF16",
        context_tokens=case.get("context_tokens") or 2048,
        options=EngineOptions(**{k: v for k, v in given.items() if v is not None}),
        accelerators=roomy_devices(
            case.get("tensor_parallel", 1), round(size * GIB) if size else 24 * GIB
        ),
    )
    return resolve_settings(deployment)[0]


def vllm_rows(
    cases: Sequence[tuple[Case, ModelSpec]], belongs: Callable[[str], bool], wide: bool
) -> tuple[Row, ...]:
    """Activation peaks of one GPU or a tensor-parallel group, without pipeline stages."""
    found: list[Row] = []
    for case, spec in cases:
        peak = case.measured.get("activation_mib")
        if case.kind != "vllm_log" or peak is None or case.get("pipeline_parallel", 1) > 1:
            continue
        if not belongs(str(case.get("engine_version"))):
            continue
        facts, settings = buffer_facts(spec), vllm_settings(case)
        terms, family = lean_terms(facts, settings), family_of(case.row["model"])
        predict = _sum(terms)
        if wide:
            terms = (terms[1],)
            predict = _at_least(terms[0], forward_pass(facts, settings))
        found.append(Row(family, peak * MIB, predict, terms))
    return tuple(found)


def _at_least(term: float, least: float) -> Callable[[Sequence[float]], float]:
    return lambda factors: max(factors[0] * term, least)


def _sum(terms: tuple[float, ...]) -> Callable[[Sequence[float]], float]:
    return lambda factors: sum(f * t for f, t in zip(factors, terms, strict=True))


def transformers_rows(
    cases: Sequence[tuple[Case, ModelSpec]], belongs: Callable[[str], bool]
) -> tuple[Row, ...]:
    """Whole peaks, as a function of the MLP widths alive at prefill."""
    found: list[Row] = []
    for case, spec in cases:
        version = str(case.get("engine_version"))
        if case.kind != "transformers_infer" or not belongs(version):
            continue
        prompt, context = case.get("prompt_tokens"), case.get("context_tokens")
        tag, devices = case.get("quantization"), case.get("devices", 1)
        if not (prompt and context and tag and devices == 1) or "transformers 4" not in (
            f"{case.row['engine']} {version}"
        ):
            continue
        options = {"engine_version": version, "prompt_tokens": prompt}
        plan = plan_case(spec, "transformers", tag, context, kv="bf16", options=options)
        cache, weights = plan.group_bytes("kv_cache"), plan.group_bytes("weights")
        predict = _peak(buffer_facts(spec), plan.settings, cache, weights)
        found.append(Row(_generation(spec), case.measured["total_mib"] * MIB, predict))
    return tuple(found)


def _generation(spec: ModelSpec) -> str:
    """Almost all rows are Qwen's: its sizes differ in shape, so each stands for a family."""
    return spec.id.split("/")[-1].removesuffix("-Instruct")


def _peak(
    facts: BufferFacts, settings: Settings, cache: int, weights: int
) -> Callable[[Sequence[float]], float]:
    return lambda found: weights + cache + activation_peak(facts, settings, cache, found[0])


def fits(cases: Sequence[tuple[Case, ModelSpec]]) -> list[Fit]:
    def lean(version: str) -> bool:
        return not before(version, VLLM_LEAN_SAMPLER)

    def wide(version: str) -> bool:
        return before(version, VLLM_LEAN_SAMPLER) and not before(version, VLLM_V1)

    def early(version: str) -> bool:
        return before(version, VLLM_V1)

    def current(version: str) -> bool:
        return not before(version, TRANSFORMERS_LEAN_PREFILL)

    def middle(version: str) -> bool:
        return before(version, TRANSFORMERS_LEAN_PREFILL) and not before(
            version, TRANSFORMERS_LAST_LOGITS
        )

    lean_rows = vllm_rows(cases, lean, False)
    bytes_name, wide_now = "vllm.WIDE_BYTES", (WIDE_BYTES,)
    wide_rows, early_rows = vllm_rows(cases, wide, True), vllm_rows(cases, early, True)
    now_rows, older_rows = transformers_rows(cases, current), transformers_rows(cases, middle)
    fork = fork_rows(cases)
    by_small = searched([step / 10 for step in range(61)])
    return [
        Fit("vLLM >= 0.17 activation peak", "vllm.LEAN", LEAN, lean_rows, linear(_LEAN_PRIOR)),
        Fit("vLLM 0.11 to 0.16 activation peak", bytes_name, wide_now, wide_rows, proportional),
        Fit("vLLM < 0.11 activation peak", bytes_name, wide_now, early_rows, proportional),
        Fit(
            "llama.cpp compute, MLA (by thread)", "llama_cpp, 1 = rule", (1.0,), fork, proportional
        ),
        Fit("transformers >= 4.50 peak", "transformers.LEAN_K", (LEAN_K,), now_rows, by_small),
        Fit("transformers 4.45 to 4.49 peak", "transformers.K", (K,), older_rows, by_small),
    ]


def split_of(case: Case, spec: ModelSpec) -> str:
    """What a row is left out with: its family; a size of Qwen's tables; a thread of the fork's
    logs, nearly all of which are about one model on many machines."""
    if case.kind == "transformers_infer":
        return _generation(spec)
    if case.kind == "llamacpp_log" and "ik_llama" in case.source:
        return case.source.rsplit(" ", 1)[-1]
    return family_of(case.get("base") or case.row["model"])


def rule_residuals(cases: Sequence[tuple[Case, ModelSpec]]) -> list[list[object]]:
    """Rules as planned: the spread of measured over planned, how a band made of the other groups'
    spread covers each group, and how the stated band does."""
    groups: dict[str, list[tuple[str, Pair]]] = {}
    for case, spec in cases:
        try:
            found = pairs(case, spec)
        except (Unplannable, WhichweightsError):
            continue
        for pair in found:
            groups.setdefault(pair.quantity, []).append((split_of(case, spec), pair))
    rows: list[list[object]] = []
    for quantity, members in groups.items():
        ratios = [(name, pair.measured / pair.planned) for name, pair in members]
        low, high = band_of([ratio for _, ratio in ratios])
        stated = 100 * sum(pair.in_band for _, pair in members) / len(members)
        count = len({name for name, _ in ratios})
        edges = f"{low:.3f} to {high:.3f}"
        rows.append([quantity, len(ratios), count, edges, coverage_left_out(ratios), stated])
    return rows


def fork_rows(cases: Sequence[tuple[Case, ModelSpec]]) -> tuple[Row, ...]:
    """Compute buffers of logs with experts in system memory, times one factor on the rule."""
    found: list[Row] = []
    for case, spec in cases:
        if case.kind != "llamacpp_log" or not any(
            isinstance(block.attention, LatentAttention) for block in spec.blocks
        ):
            continue
        try:
            planned = pairs(case, spec)
        except (Unplannable, WhichweightsError):
            continue
        for pair in planned:
            if pair.quantity.startswith("llama.cpp compute"):
                terms = (pair.planned,)
                found.append(Row(split_of(case, spec), pair.measured, _sum(terms), terms))
    return tuple(found)


def main() -> None:
    cases = anyio.run(matched)
    found = [fit for fit in fits(cases) if fit.rows]
    head = ("kind", "n", "families", "MAPE %", "median %", "band, measured / planned", "covered %")
    print(table("Errors on the family left out", head, map(judged, found)))
    families = [row for fit in found for row in by_family(fit)]
    print(table("The same by family", ("kind", "left out", "n", "MAPE %"), families))
    print(table("Constants", ("literal", "fitted on all", "in the code"), map(literal, found)))
    head = ("quantity", "n", "groups", "measured / planned", "covered left out %", "stated band %")
    print(table("Whole quantities as planned", head, rule_residuals(cases)))


if __name__ == "__main__":
    main()
