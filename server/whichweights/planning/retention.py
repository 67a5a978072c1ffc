"""How much of its short-context skill a model keeps at a length, in one language."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from whichweights_schemas.evidence import Basis
from whichweights_schemas.languages import RetentionPoint

REFERENCE_TOKENS = 8_192
LOW_RESOURCE = frozenset({"hi", "sw", "ta", "st"})
PRIOR_SOURCE = "ONERULER (arXiv:2503.01996), six models, 26 languages"
PRIOR_DATE = "2025-03"

# Share of the 8,192-token score that six models kept, percent: smallest and largest, in English,
# in 21 other high-resource languages and in Hindi, Swahili, Tamil and Sesotho. Computed from the
# published heat map; pairs whose 8,192-token score is below 60 are left out (no decay to speak of).
_PRIOR: dict[int, dict[str, tuple[float, float]]] = {
    32_768: {"en": (88, 102), "high": (67, 118), "low": (41, 109)},
    65_536: {"en": (86, 102), "high": (38, 107), "low": (36, 102)},
    131_072: {"en": (68, 101), "high": (15, 105), "low": (2, 100)},
}

# Below this score at the reference length a model has nothing to lose (languages: 14 of 26).
_FLOOR_SCORE = 60.0


@dataclass(frozen=True)
class RetentionFigure:
    """Percent of the reference score kept at a length; `value` null where only a band is known."""

    at_tokens: int
    value: float | None
    low: float | None
    high: float | None
    basis: Basis
    note: str | None = None


def retention_at(
    points: Sequence[RetentionPoint], language: str, context_tokens: int
) -> RetentionFigure:
    """Retention of this model and language at a length.

    Interpolates in log2(length) between measured points only; without measurements the band of
    six measured models; beyond what was measured, unknown.
    """
    if context_tokens <= REFERENCE_TOKENS:
        return RetentionFigure(
            context_tokens, 100.0, 100.0, 100.0, "computed", "at or below the reference length"
        )
    measured = _curve(points)
    if measured is not None:
        return _interpolated(measured, context_tokens)
    return _prior(language, context_tokens)


def _curve(points: Sequence[RetentionPoint]) -> list[tuple[int, float]] | None:
    """The longest measured curve of one benchmark that has the reference length."""
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for point in points:
        curves[point.benchmark][point.context_tokens] = point.score
    usable = [
        sorted(curve.items())
        for curve in curves.values()
        if curve.get(REFERENCE_TOKENS, 0.0) >= _FLOOR_SCORE and len(curve) > 1
    ]
    return max(usable, key=len, default=None)


def _interpolated(curve: list[tuple[int, float]], context_tokens: int) -> RetentionFigure:
    reference = dict(curve)[REFERENCE_TOKENS]
    for (left, low_score), (right, high_score) in pairwise(curve):
        if left <= context_tokens <= right:
            share = math.log2(context_tokens / left) / math.log2(right / left)
            kept = 100 * (low_score + share * (high_score - low_score)) / reference
            ends = sorted((100 * low_score / reference, 100 * high_score / reference))
            return RetentionFigure(
                context_tokens,
                round(kept, 1),
                round(ends[0], 1),
                round(ends[1], 1),
                "published",
                "retrieval test: an upper bound on useful skill",
            )
    return RetentionFigure(
        context_tokens,
        None,
        None,
        None,
        "published",
        f"measured up to {curve[-1][0]:,} tokens only",
    )


def _prior(language: str, context_tokens: int) -> RetentionFigure:
    lengths = [length for length in _PRIOR if length >= context_tokens]
    if not lengths:
        return RetentionFigure(
            context_tokens, None, None, None, "prior", "no model was measured at this length"
        )
    base = language.split("-")[0]
    group = "en" if base == "en" else "low" if base in LOW_RESOURCE else "high"
    low, high = _PRIOR[min(lengths)][group]
    return RetentionFigure(
        context_tokens,
        None,
        low,
        min(high, 100.0),
        "prior",
        "this model was not measured in this language at this length; band of six measured models",
    )
