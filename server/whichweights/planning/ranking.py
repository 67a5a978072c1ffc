"""How the parts of a score are weighed, and models walked through best first.

The weights are ours, not fitted to anything: they say what a request makes important, and every
answer shows the parts beside the sum.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from whichweights.planning.ability import Ability, percent
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import Autonomy, Task

__all__ = ["TASKS", "Candidate", "Ladder", "Profile", "Weights", "near_duplicate", "weights_for"]

PART_DECIMALS = 1


@dataclass(frozen=True)
class Profile:
    """What a task is judged by. `proxy`: no benchmark of the task itself is in the tables."""

    skills: tuple[str, ...]
    languages: float = 0.5
    agentic: float = 0.0
    proxy: str | None = None


_CHAT_PROXY = "no benchmark of {} is in the tables: chat and instruction following stand in"

TASKS: Mapping[Task, Profile] = {
    "chat": Profile(("chat",)),
    "coding": Profile(("coding",)),
    "agent": Profile(("reasoning", "coding"), agentic=1.0),
    "reasoning": Profile(("reasoning", "math")),
    "rag": Profile(("chat",), proxy=_CHAT_PROXY.format("retrieval-augmented answers")),
    "summarization": Profile(("chat",), proxy=_CHAT_PROXY.format("summarization")),
    "translation": Profile(("chat",), languages=1.5, proxy=_CHAT_PROXY.format("translation")),
    "extraction": Profile(("chat",), proxy=_CHAT_PROXY.format("extraction")),
    "classification": Profile(
        ("knowledge",),
        proxy="no benchmark of classification is in the tables: knowledge tests stand in",
    ),
    "vision": Profile(
        ("vision", "chat"), proxy="no vision benchmark is in the tables: chat ability stands in"
    ),
}
"""Skills of each task, and the weight of languages and of agentic evidence beside quality (1)."""

_AUTONOMY: Mapping[Autonomy, float] = {
    "none": 0.0,
    "single_step": 0.5,
    "multi_step": 1.0,
    "long_horizon": 2.0,
}
# Nearly every model is good at English, so that differences say less there.
_ENGLISH_ONLY = 0.5


@dataclass(frozen=True)
class Weights:
    """How much each part counts; a part of weight 0 is left out."""

    quality: float
    languages: float
    agentic: float

    @property
    def total(self) -> float:
        """What the weighted sum is divided by."""
        return self.quality + self.languages + self.agentic


def weights_for(task: Task, autonomy: Autonomy, languages: Sequence[str]) -> Weights:
    """The weights of a request: quality 1; languages and agentic evidence as the task asks."""
    profile = TASKS[task]
    foreign = any(tag.split("-")[0].lower() != "en" for tag in languages)
    return Weights(
        quality=1.0,
        languages=profile.languages * (1.0 if foreign else _ENGLISH_ONLY),
        agentic=max(profile.agentic, _AUTONOMY[autonomy]),
    )


@dataclass(frozen=True)
class Candidate:
    """A model with what is known of it before anything is planned. `agentic`: null = not weighed.

    `coverage` holds the low edge of every asked language's band, null where nothing is known; the
    whole is null until it was looked up.
    """

    spec: ModelSpec
    quality: Ability
    agentic: Ability | None = None
    coverage: tuple[float | None, ...] | None = None

    def parts(self, weights: Weights) -> dict[str, float]:
        """The weighed parts, 0-100. An unknown language counts 0, one not looked up yet 100."""
        parts = {"quality": percent(self.quality.value)}
        if weights.languages:
            parts["languages"] = self._languages()
        if weights.agentic and self.agentic is not None:
            parts["agentic"] = percent(self.agentic.value)
        return parts

    def _languages(self) -> float:
        if self.coverage is None:
            return 100.0
        known = [min(value or 0.0, 100.0) for value in self.coverage]
        return round(sum(known) / len(known), PART_DECIMALS) if known else 100.0

    def score(self, weights: Weights) -> float:
        """The weighted mean of the parts, 0-100, not rounded."""
        parts = self.parts(weights)
        total = parts["quality"] * weights.quality
        total += parts.get("languages", 0.0) * weights.languages
        total += parts.get("agentic", 0.0) * weights.agentic
        return total / weights.total


_Place = tuple[float, bool, float, int, str]


@dataclass
class Ladder:
    """Candidates best first, looking languages up only where they could matter.

    A candidate whose languages were not looked up stands where full coverage would put it, so that
    the order is the same as if all had been looked up at once. Ties: better known quality first,
    then the smaller model, then the name.
    """

    weights: Weights
    _heap: list[tuple[_Place, Candidate]] = field(default_factory=list[tuple[_Place, Candidate]])

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Put candidates where their score places them."""
        for candidate in candidates:
            heapq.heappush(self._heap, (self._place(candidate), candidate))

    def pop(self) -> Candidate | None:
        """The best one left; None when there is none."""
        return heapq.heappop(self._heap)[1] if self._heap else None

    def pop_unknown(self, limit: int) -> list[Candidate]:
        """At most `limit` of the best whose languages must be looked up before the best is known.

        Empty when the best one's are known.
        """
        found: list[Candidate] = []
        while self._heap and len(found) < limit and self._heap[0][1].coverage is None:
            found.append(heapq.heappop(self._heap)[1])
        return found

    def __len__(self) -> int:
        return len(self._heap)

    def _place(self, candidate: Candidate) -> _Place:
        spec = candidate.spec
        return (
            -candidate.score(self.weights),
            candidate.coverage is not None,
            -candidate.quality.benchmarks,
            spec.parameters.total or 0,
            spec.id,
        )


def near_duplicate(spec: ModelSpec, chosen: Sequence[ModelSpec], limit: int) -> str | None:
    """Why a model would add no choice beside those chosen; None when it would.

    One model of a family and size (within 5 %), and half of the places, rounded up, a family.
    """
    family = _family(spec)
    kin = [other for other in chosen if _family(other) == family]
    if any(_same_size(spec, other) for other in kin):
        return "same family and size as a higher one"
    if limit > 1 and len(kin) >= (limit + 1) // 2:
        return "its family fills half of the places"
    return None


def _family(spec: ModelSpec) -> str:
    return (spec.family or spec.id.rpartition("/")[2]).lower()


def _same_size(one: ModelSpec, other: ModelSpec) -> bool:
    sizes = sorted((one.parameters.total or 0, other.parameters.total or 0))
    return sizes[1] <= sizes[0] * 1.05
