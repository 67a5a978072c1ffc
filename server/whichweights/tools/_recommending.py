"""The walk down the ranking: look languages up, plan, and keep what fits, until enough is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio.lowlevel

from whichweights.planning.ability import Ability, rate
from whichweights.planning.choices import run_status
from whichweights.planning.fitting import best_run
from whichweights.planning.formats import Status
from whichweights.planning.language_coverage import Coverage, low_edge
from whichweights.planning.ranking import (
    TASKS,
    Candidate,
    Ladder,
    Weights,
    near_duplicate,
    weights_for,
)
from whichweights.planning.running import PlannedRun, RunRequest
from whichweights.planning.screening import TOO_LARGE, Rejections, Wishes, room_bytes, why_not
from whichweights.planning.speed import estimate_speed
from whichweights.registry import ProviderSession
from whichweights.resolve.accelerators import Machine
from whichweights.resolve.candidates import Pool, coverage_of, skill_table
from whichweights.resolve.languages import ResolvedLanguage
from whichweights_schemas.errors import CallerError
from whichweights_schemas.evidence import Band
from whichweights_schemas.languages import ModelScore
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import RecommendModelArguments

_LOOKED_UP_AT_ONCE = 12
_GIB = 1 << 30
DOES_NOT_FIT = "does not fit"
MAY_NOT_FIT = "may well not fit"
LOWER = "ranked lower, not planned"
# A tight run whose high end is further above the free memory is not recommended. Our convention.
FAR = 1.15


@dataclass(frozen=True)
class Found:
    """A model that fits, before its evidence is put into words."""

    candidate: Candidate
    planned: PlannedRun
    speed: Band | None
    languages: tuple[tuple[str, Coverage], ...]


@dataclass
class Search:
    """One request's walk. `suited` holds the models that meet every condition but the memory."""

    session: ProviderSession
    arguments: RecommendModelArguments
    languages: Sequence[ResolvedLanguage]
    machine: Machine
    rejections: Rejections = field(default_factory=Rejections)
    found: list[Found] = field(default_factory=list[Found])
    suited: list[ModelSpec] = field(default_factory=list[ModelSpec])
    offloaded: list[tuple[ModelSpec, PlannedRun]] = field(
        default_factory=list[tuple[ModelSpec, PlannedRun]]
    )
    candidates: list[Candidate] = field(default_factory=list[Candidate])
    rows: Sequence[ModelScore] = ()
    _kept: list[ModelSpec] = field(default_factory=list[ModelSpec])
    _coverage: dict[str, tuple[Coverage, ...]] = field(
        default_factory=dict[str, tuple[Coverage, ...]]
    )

    @property
    def weights(self) -> Weights:
        """The weights of the request."""
        tags = [language.tag for language in self.languages]
        return weights_for(self.arguments.task, self.arguments.autonomy, tags)

    @property
    def request(self) -> RunRequest:
        """How every candidate is to be run."""
        return RunRequest(
            accelerators=tuple(self.machine.accelerators),
            memory=self.machine.memory,
            context_tokens=self.arguments.context_tokens,
        )

    @property
    def free_bytes(self) -> int | None:
        """Free memory of the machine, in bytes."""
        return room_bytes(self.machine.accelerators, self.machine.memory)

    async def run(self, pool: Pool) -> None:
        """Screen, rate and walk; the results are in the attributes."""
        self._screen(pool.wanted)
        await self._rate(pool.known)
        if self.free_bytes is None:
            self._give_up("the free memory is not known")
            return
        await self._walk()

    def _screen(self, specs: Sequence[ModelSpec]) -> None:
        asked = self.arguments
        wishes = Wishes(
            asked.task, asked.context_tokens, asked.license, asked.requires, self.free_bytes
        )
        for spec in specs:
            reason = why_not(spec, wishes)
            if reason is None:
                self._kept.append(spec)
            else:
                self.rejections.add(reason, spec.id)
            if reason in (None, TOO_LARGE):
                self.suited.append(spec)

    async def _rate(self, known: Sequence[ModelSpec]) -> None:
        skills = TASKS[self.arguments.task].skills
        self.rows = await skill_table(self.session, skills)
        rows, agentic = self.rows, dict[str, Ability]()
        if self.weights.agentic:
            table = await skill_table(self.session, ("agentic",))
            agentic = rate(known, table, "agentic")
            twice = {row.benchmark for row in table}
            rows = [row for row in self.rows if row.benchmark not in twice]
        quality = rate(known, rows, skills[0])
        self.candidates = [
            Candidate(spec, quality[spec.id], agentic.get(spec.id)) for spec in self._kept
        ]

    async def _walk(self) -> None:
        ladder = Ladder(self.weights)
        ladder.add(self.candidates)
        while len(ladder) and len(self.found) < self.arguments.limit:
            unknown = ladder.pop_unknown(_LOOKED_UP_AT_ONCE)
            if unknown:
                ladder.add(await self._looked_up(unknown))
                continue
            candidate = ladder.pop()
            assert candidate is not None  # the ladder is not empty
            self._try(candidate)
            await anyio.lowlevel.checkpoint()
        self.rejections.count(LOWER, len(ladder))

    async def _looked_up(self, unknown: Sequence[Candidate]) -> list[Candidate]:
        specs = [candidate.spec for candidate in unknown]
        context = self.arguments.context_tokens or 0
        answers = await coverage_of(self.session, specs, self.languages, context)
        known: list[Candidate] = []
        for candidate, coverages in zip(unknown, answers, strict=True):
            self._coverage[candidate.spec.id] = coverages
            lows = tuple(low_edge(one) for one in coverages)
            known.append(
                Candidate(candidate.spec, candidate.quality, candidate.agentic, coverage=lows)
            )
        return known

    def _try(self, candidate: Candidate) -> None:
        spec, asked = candidate.spec, self.arguments
        chosen = [found.candidate.spec for found in self.found]
        reason = None if asked.candidates else near_duplicate(spec, chosen, asked.limit)
        if reason is not None:
            self.rejections.add(reason, spec.id)
            return
        try:
            planned = best_run(spec, self.request)
        except CallerError as error:
            self.rejections.add(f"cannot be planned: {error.code}", spec.id)
            return
        speed = estimate_speed(planned.planner, planned.plan).decode
        misfit = self._misfit(spec, planned)
        slow = self._too_slow(speed)
        if misfit is not None:
            self.rejections.add(*misfit)
            return
        if slow is not None:
            self.rejections.add(slow, spec.id)
            return
        tags = [language.tag for language in self.languages]
        languages = tuple(zip(tags, self._coverage[spec.id], strict=True))
        self.found.append(Found(candidate, planned, speed, languages))

    def _misfit(self, spec: ModelSpec, planned: PlannedRun) -> tuple[str, str] | None:
        """Why a planned run is no recommendation, and the model with its figure."""
        plan = planned.plan
        if run_status(planned.run, self.machine.accelerators) is Status.NO:
            return "no engine runs it on these devices", spec.id
        if plan.verdict not in ("fits", "tight"):
            if plan.verdict == "fits_with_offload":
                self.offloaded.append((spec, planned))
            return DOES_NOT_FIT, f"{spec.id} ({plan.total / _GIB:.1f} GiB)"
        if plan.high > FAR * (self.free_bytes or 0):
            return MAY_NOT_FIT, f"{spec.id} (up to {plan.high / _GIB:.1f} GiB)"
        return None

    def _too_slow(self, speed: Band | None) -> str | None:
        least = self.arguments.min_tokens_per_second
        if not least:
            return None
        if speed is None:
            return "speed unknown"
        return f"slower than {least:g} tokens/s" if speed.value < least else None

    def _give_up(self, reason: str) -> None:
        for candidate in self.candidates:
            self.rejections.add(reason, candidate.spec.id)
