"""One provider's life: listed, loading, ready or broken; and the threads it blocks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import anyio
from pydantic import ValidationError

from whichweights._problems import first_problem, reason_of
from whichweights._registry_answers import hold_to_contract
from whichweights._registry_listing import BASE_OF_KIND, Listed
from whichweights._registry_output import plugin_output_to_stderr
from whichweights._registry_threads import ThreadJob
from whichweights_schemas._base import Settings
from whichweights_schemas.errors import ProviderTimeout
from whichweights_schemas.evidence import ProviderKind
from whichweights_schemas.providers import API_VERSION, AnyProvider, ProviderContext

T = TypeVar("T")

ACCEPTED_APIS = (API_VERSION, API_VERSION - 1)
STILL_BUSY = "still busy with an earlier call"
STILL_LOADING = "still loading since an earlier call"

_log = logging.getLogger("whichweights.registry")


@dataclass(frozen=True)
class Broken:
    """A plugin with a defect: its import, its class, its settings or its constructor failed."""

    name: str
    kind: ProviderKind
    distribution: str
    reason: str


class _DefectError(Exception):
    """What is wrong with a plugin, in words for its author or for whoever configured it."""


class Slot:
    """Where a provider lives in the registry. Loading happens once, in a thread."""

    def __init__(self, listed: Listed, sections: Mapping[str, Mapping[str, object]]) -> None:
        self.listed = listed
        self.key = (listed.name, listed.kind)
        self.loaded: AnyProvider | Broken | None = None
        self._section = _section_of(listed, sections)
        self._loading: ThreadJob[AnyProvider | Broken] | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self._jobs: set[ThreadJob[Any]] = set()
        self._overdue: set[ThreadJob[Any]] = set()

    def busy(self) -> str | None:
        """Why the provider cannot be asked: a thread of an earlier call missed its deadline."""
        self._overdue = {job for job in self._overdue if not job.done}
        if not self._overdue:
            return None
        return STILL_LOADING if self._loading in self._overdue else STILL_BUSY

    def missed_deadline(self) -> None:
        """The threads that run now are given up: the provider is busy until they return."""
        running = {*self._jobs, self._loading} if self._loading else self._jobs
        self._overdue |= {job for job in running if job and not job.done}

    async def load(self) -> AnyProvider | Broken:
        """The provider, or what is wrong with it; all callers wait for the same attempt."""
        if self.loaded is None:
            if self._loading is None:
                job = ThreadJob(self._load_now, name=f"whichweights load {self.listed.name}")
                job.start()
                self._loading = job
            self.loaded = await self._loading.wait()
        return self.loaded

    async def run_blocking(self, function: Callable[..., T], /, *args: Any) -> T:
        """The provider's own thread: `blocking_threads` at a time, the others wait their turn.

        A place is free again when its thread returns, also when nobody waits for it any more.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._blocking_threads())
        limiter = self._limiter
        job: ThreadJob[T] = ThreadJob(
            partial(function, *args), name=f"whichweights {self.listed.name}"
        )
        await limiter.acquire_on_behalf_of(job)
        try:
            if self.busy():
                raise ProviderTimeout(f"{self.listed.name} is {STILL_BUSY}")
            job.start()
        except Exception:
            limiter.release_on_behalf_of(job)
            raise

        def ended() -> None:
            self._jobs.discard(job)
            limiter.release_on_behalf_of(job)

        self._jobs.add(job)
        job.when_done(ended)
        return await job.wait()

    def _blocking_threads(self) -> int:
        loaded = self.loaded
        return 1 if loaded is None or isinstance(loaded, Broken) else loaded.blocking_threads

    def _load_now(self) -> AnyProvider | Broken:
        """Import, check and construct. Runs in a thread; whatever a plugin raises ends here."""
        listed = self.listed
        try:
            with plugin_output_to_stderr():
                provider_class = _checked(listed.load(), listed.kind)
                settings = _validated(provider_class.settings_model, self._section, listed.name)
                context = ProviderContext(
                    name=listed.name, settings=settings, run_blocking=self.run_blocking
                )
                return hold_to_contract(provider_class(context), listed.kind)
        except _DefectError as defect:
            reason = str(defect)
        except (Exception, SystemExit) as error:
            _log.debug("provider %s failed to load", listed.name, exc_info=True)
            reason = f"failed to load: {reason_of(error)}"
        return Broken(listed.name, listed.kind, listed.distribution, reason)


def _section_of(listed: Listed, sections: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """The provider's table: `[providers.<name>]` without the sub-tables named like a kind, and
    `[providers.<name>.<kind>]` on top, for names that serve several kinds."""
    section = sections.get(listed.name, {})
    own = {key: value for key, value in section.items() if key not in BASE_OF_KIND}
    special = section.get(listed.kind)
    return {**own, **special} if isinstance(special, Mapping) else own


def _checked(found: object, kind: ProviderKind) -> type[AnyProvider]:
    base = BASE_OF_KIND[kind]
    api = getattr(found, "api", API_VERSION)
    if api not in ACCEPTED_APIS:
        raise _DefectError(f"written for provider API {api}, this is {API_VERSION}")
    if not isinstance(found, type) or not issubclass(found, base):
        raise _DefectError(f"the entry point names {found!r}, which is not a {base.__name__} class")
    provider_class = cast("type[AnyProvider]", found)
    if inspect.isabstract(provider_class):
        missing = ", ".join(sorted(provider_class.__abstractmethods__))
        raise _DefectError(f"{provider_class.__name__} does not implement {missing}")
    return provider_class


def _validated(model: type[Settings], section: Mapping[str, object], name: str) -> Settings:
    try:
        return model.model_validate(section)
    except ValidationError as error:
        problem = first_problem(error, model.model_fields)
        raise _DefectError(f"[providers.{name}] {problem}") from None
