"""Asking providers on behalf of one tool call: in order, in time, and with a report of each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

import anyio

from whichweights._problems import one_line, reason_of
from whichweights._registry_output import plugin_output_to_stderr
from whichweights._registry_slots import Broken, Slot
from whichweights_schemas.errors import CallerError, OperatorError, ProviderTimeout
from whichweights_schemas.evidence import ProviderKind, ProviderReport, ProviderStatus
from whichweights_schemas.providers import AnyProvider

P = TypeVar("P", bound=AnyProvider)
T = TypeVar("T")

NO_ANSWER = "had no answer"
_CLOSING_SECONDS = 1.0
_SEVERITY: dict[ProviderStatus, int] = {
    "answered": 0,
    "unavailable": 1,
    "failed": 2,
    "timeout": 3,
}


@dataclass(frozen=True)
class KindOfSlots:
    """The providers of one kind in order, and what the user must know of their set-up."""

    slots: tuple[Slot, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """What asking one provider gave. `refusal`: an error that the caller or operator must mend."""

    value: T | None = None
    answered: bool = False
    refusal: CallerError | OperatorError | None = None


class _End:
    """The end of a stream."""


_END = _End()


class _Stream(Generic[P, T]):
    """One provider's stream, opened at the first step."""

    def __init__(self, ask: Callable[[P], AsyncIterator[T]]) -> None:
        self._ask = ask
        self._iterator: AsyncIterator[T] | None = None

    async def step(self, provider: P) -> T | _End:
        if self._iterator is None:
            self._iterator = self._ask(provider)
        return await anext(self._iterator, _END)

    async def aclose(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        if close is None:
            return
        with plugin_output_to_stderr(), anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            try:
                await close()
            except Exception:  # the provider boundary: the stream is over, with or without this
                return


class ProviderSession:
    """Providers as one tool call sees them. Make one for each call with `Registry.session()`.

    The session has a budget of seconds for all waiting together. One question may use half of what
    is left, so a provider that hangs leaves time for those after it; it is not asked again in this
    session. Not to be shared between tasks.
    """

    def __init__(
        self,
        slots_of: Callable[[ProviderKind], KindOfSlots],
        budget_seconds: float,
        file_roots: tuple[Path, ...] | None = None,
    ) -> None:
        self.file_roots = file_roots
        self._slots_of = slots_of
        self._remaining_seconds = budget_seconds
        self._reports: dict[tuple[str, ProviderKind], ProviderReport] = {}
        self._warnings: dict[str, None] = {}
        self._available: set[Slot] = set()
        self._passed_over: set[Slot] = set()

    @property
    def reports(self) -> tuple[ProviderReport, ...]:
        """One report for each provider that was asked, with the worst that happened."""
        return tuple(self._reports.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user must know of the set-up of the kinds that were asked."""
        return tuple(self._warnings)

    async def first(
        self,
        kind: type[P],
        ask: Callable[[P], Awaitable[T | None]],
        *,
        where: Callable[[P], bool] | None = None,
    ) -> T | None:
        """The first answer, in order, that is neither None nor an empty sequence.

        `where` = which providers to ask; the others are passed over without a report.
        Raises the first CallerError or OperatorError a provider raised, if nobody answers.
        """
        found = await self.first_named(kind, ask, where=where)
        return found[1] if found else None

    async def first_named(
        self,
        kind: type[P],
        ask: Callable[[P], Awaitable[T | None]],
        *,
        where: Callable[[P], bool] | None = None,
    ) -> tuple[str, T] | None:
        """As `first`, with the name of the provider that answered."""
        return await self._first_of(self._slots(kind), ask, where)

    async def one(
        self, kind: type[P], name: str, ask: Callable[[P], Awaitable[T | None]]
    ) -> T | None:
        """The answer of this provider only; None when there is no such provider.

        Raises the CallerError or OperatorError it raised.
        """
        found = await self._first_of(
            [slot for slot in self._slots(kind) if slot.listed.name == name], ask
        )
        return found[1] if found else None

    async def all(
        self,
        kind: type[P],
        ask: Callable[[P], Awaitable[T]],
        *,
        where: Callable[[P], bool] | None = None,
    ) -> list[tuple[str, T]]:
        """The answers of all providers, asked concurrently, in their order, with their names."""
        slots = self._slots(kind)
        attempts: dict[Slot, Attempt[T]] = {}

        async def ask_one(slot: Slot, limit: float) -> None:
            attempts[slot] = await self._attempt(slot, ask, limit, where)

        with self._allowance() as limit:
            if len(slots) == 1:
                await ask_one(slots[0], limit)
            else:
                async with anyio.create_task_group() as group:
                    for slot in slots:
                        group.start_soon(ask_one, slot, limit)
        return [
            (slot.listed.name, cast("T", attempts[slot].value))
            for slot in slots
            if attempts[slot].answered
        ]

    async def batches(
        self,
        kind: type[P],
        ask: Callable[[P], AsyncIterator[T]],
        *,
        where: Callable[[P], bool] | None = None,
    ) -> AsyncGenerator[tuple[str, T]]:
        """The streams of all providers, one after the other, with their names.

        Only the wait for a batch counts against the deadline, not what the caller does with it.
        Who stops early calls `aclose()`, as of any generator.
        """
        for slot in self._slots(kind):
            stream = _Stream(ask)
            try:
                while True:
                    with self._allowance() as limit:
                        step = await self._attempt(slot, stream.step, limit, where)
                    if not step.answered or step.value is None or isinstance(step.value, _End):
                        break
                    yield slot.listed.name, step.value
            finally:
                await stream.aclose()

    async def attempt(self, slot: Slot, ask: Callable[[AnyProvider], Awaitable[T]]) -> Attempt[T]:
        """Ask the provider of this slot; what went wrong is in the reports."""
        with self._allowance() as limit:
            return await self._attempt(slot, ask, limit)

    def _slots(self, kind: type[AnyProvider]) -> tuple[Slot, ...]:
        found = self._slots_of(kind.kind)
        self._warnings.update(dict.fromkeys(found.warnings))
        return found.slots

    @contextmanager
    def _allowance(self) -> Generator[float]:
        """The seconds one question may take; what it took is taken off the budget."""
        started = anyio.current_time()
        try:
            yield self._remaining_seconds / 2
        finally:
            self._remaining_seconds -= min(
                anyio.current_time() - started, self._remaining_seconds / 2
            )

    async def _first_of(
        self,
        slots: Sequence[Slot],
        ask: Callable[[P], Awaitable[T | None]],
        where: Callable[[P], bool] | None = None,
    ) -> tuple[str, T] | None:
        refusal: CallerError | OperatorError | None = None
        for slot in slots:
            with self._allowance() as limit:
                attempt = await self._attempt(slot, ask, limit, where)
            if attempt.value is not None and _says_something(attempt.value):
                return slot.listed.name, attempt.value
            refusal = refusal or attempt.refusal
        if refusal:
            raise refusal
        return None

    async def _attempt(
        self,
        slot: Slot,
        ask: Callable[[P], Awaitable[T]],
        limit: float,
        where: Callable[[P], bool] | None = None,
    ) -> Attempt[T]:
        if slot in self._passed_over:
            return Attempt()
        scope = anyio.CancelScope(deadline=anyio.current_time() + limit)
        provider: AnyProvider | None = None
        try:
            with plugin_output_to_stderr(), scope:
                provider = await self._ready(slot, cast("Callable[[AnyProvider], bool]", where))
                if provider is None:
                    return Attempt()
                value = await ask(cast("P", provider))
                self._report(slot, "answered", None if _says_something(value) else NO_ANSWER)
                return Attempt(value, answered=True)
        except (Exception, SystemExit) as error:  # the provider boundary
            # A library may turn our cancellation into an exception of its own.
            if not scope.cancel_called:
                if provider is None:
                    self._passed_over.add(slot)
                return Attempt(refusal=self._report_error(slot, error))
        slot.missed_deadline()
        self._passed_over.add(slot)
        self._report(slot, "timeout", f"no answer within {limit:.3g} s")
        return Attempt()

    async def _ready(
        self, slot: Slot, where: Callable[[AnyProvider], bool] | None
    ) -> AnyProvider | None:
        """The provider, if it can be asked; if not, why is reported and it is passed over."""
        status: ProviderStatus = "unavailable"
        reason = slot.busy()
        if reason is None:
            loaded = await slot.load()
            if isinstance(loaded, Broken):
                status, reason = "failed", loaded.reason
            elif where is not None and not where(loaded):
                return None
            elif slot in self._available:
                return loaded
            else:
                reason = await loaded.available()
                if reason is None:
                    self._available.add(slot)
                    return loaded
        self._passed_over.add(slot)
        self._report(slot, status, one_line(reason))
        return None

    def _report_error(self, slot: Slot, error: BaseException) -> CallerError | OperatorError | None:
        """A refusal is an answer about the request or the set-up; all else is a failure."""
        if isinstance(error, CallerError):
            self._report(slot, "answered", reason_of(error))
            return error
        if isinstance(error, OperatorError):
            self._report(slot, "unavailable", reason_of(error))
            return error
        failed: ProviderStatus = "timeout" if isinstance(error, ProviderTimeout) else "failed"
        self._report(slot, failed, reason_of(error))
        return None

    def _report(self, slot: Slot, status: ProviderStatus, detail: str | None) -> None:
        name, kind = slot.key
        before = self._reports.get(slot.key)
        if before is not None:
            if _SEVERITY[status] < _SEVERITY[before.status]:
                return
            if status == before.status == "answered" and before.detail is None:
                return
        self._reports[slot.key] = ProviderReport(name=name, kind=kind, status=status, detail=detail)


def _says_something(value: object) -> bool:
    if value is None or isinstance(value, _End):
        return False
    return not (isinstance(value, Sequence) and len(cast("Sequence[object]", value)) == 0)
