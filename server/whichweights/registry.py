"""Discovers, orders, isolates and times providers.

Entry points are listed without importing anything; a provider is imported and constructed at
first use, in a thread, under a deadline. A plugin that fails, hangs or cannot work here is reported
in the answer's `providers` and the others still serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Literal

import anyio

from whichweights._registry_listing import (
    BASE_OF_KIND,
    Arranged,
    Listed,
    arrange,
    list_class,
    list_entry_points,
    unmet_names,
)
from whichweights._registry_output import plugin_output_to_stderr
from whichweights._registry_session import KindOfSlots, ProviderSession
from whichweights._registry_settings import BUILT_INS_ONLY, RegistrySettings
from whichweights._registry_slots import Broken, Slot
from whichweights_schemas.evidence import ProviderKind
from whichweights_schemas.providers import AnyProvider, Provider

__all__ = [
    "BUILT_INS_ONLY",
    "Broken",
    "ProviderInfo",
    "ProviderSession",
    "ProviderState",
    "Registry",
    "RegistrySettings",
]

ProviderState = Literal[
    "ready", "unavailable", "broken", "failed", "timeout", "disabled", "duplicate"
]
"""ready · unavailable: a fact of this machine · broken: could not be loaded · failed, timeout: did
not say how it is · disabled: by the configuration · duplicate: another one has the same name."""

_CLOSING_SECONDS = 1.0


@dataclass(frozen=True)
class ProviderInfo:
    """A known provider and how it is; `facts` are its own (table dates, driver versions)."""

    name: str
    kind: ProviderKind
    distribution: str
    version: str | None
    state: ProviderState
    reason: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])


class Registry:
    """All providers of one server. An object, never a global: two may live side by side.

    `entry_points` replaces those of the installed distributions, for tests.
    """

    def __init__(
        self,
        settings: RegistrySettings | None = None,
        *,
        entry_points: Iterable[EntryPoint] | None = None,
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._entry_points = entry_points
        self._declared: list[Listed] | None = None
        self._added: list[Listed] = []
        self._slots: dict[Listed, Slot] = {}
        self._kinds: dict[ProviderKind, tuple[Arranged, KindOfSlots]] = {}
        self._closed = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names in the configuration that no known provider has."""
        return unmet_names(self._listed(), self._settings)

    def add(self, name: str, provider_class: type[AnyProvider]) -> None:
        """Register a class at run time, as of the distribution `runtime`.

        Raises ValueError when this registry was already given one of that name and kind.
        """
        listed = list_class(name, provider_class)
        if any((one.name, one.kind) == (name, listed.kind) for one in self._added):
            raise ValueError(f"a provider of {listed.kind} called {name!r} was already added")
        self._added.append(listed)
        self._kinds.pop(listed.kind, None)

    def session(self, deadline_seconds: float | None = None) -> ProviderSession:
        """What one tool call asks its providers through.

        `deadline_seconds` is the time all waiting for providers may take together; default: the
        configured `provider_seconds`. Raises RuntimeError when the registry is closed.
        """
        if self._closed:
            raise RuntimeError("the registry is closed")
        if deadline_seconds is None:
            deadline_seconds = self._settings.provider_seconds
        return ProviderSession(self._slots_of, deadline_seconds, self._settings.file_roots)

    async def describe(self) -> list[ProviderInfo]:
        """Every known provider and how it is now. Loads them all, concurrently."""
        kinds = [self._kind(kind) for kind in BASE_OF_KIND]
        infos: dict[Slot, ProviderInfo] = {}
        async with anyio.create_task_group() as group:
            for _, found in kinds:
                for slot in found.slots:
                    group.start_soon(self._describe_slot, slot, infos)
        described: list[ProviderInfo] = []
        for arranged, found in kinds:
            described += [infos[slot] for slot in found.slots]
            described += [_info(out.listed, out.state, out.reason) for out in arranged.left_out]
        return described

    async def aclose(self) -> None:
        """Let every constructed provider release what it holds; no session can be had after."""
        self._closed = True
        providers = [
            slot.loaded for slot in self._slots.values() if isinstance(slot.loaded, Provider)
        ]
        self._slots.clear()
        self._kinds.clear()
        with anyio.move_on_after(_CLOSING_SECONDS):
            async with anyio.create_task_group() as group:
                for provider in providers:
                    group.start_soon(_close, provider)

    def _listed(self) -> list[Listed]:
        if self._declared is None:
            self._declared = list_entry_points(self._entry_points)
        return self._declared + self._added

    def _slots_of(self, kind: ProviderKind) -> KindOfSlots:
        return self._kind(kind)[1]

    def _kind(self, kind: ProviderKind) -> tuple[Arranged, KindOfSlots]:
        known = self._kinds.get(kind)
        if known is None:
            arranged = arrange(kind, self._listed(), self._settings)
            slots = tuple(self._slot(listed) for listed in arranged.in_order)
            known = self._kinds[kind] = arranged, KindOfSlots(slots, arranged.warnings)
        return known

    def _slot(self, listed: Listed) -> Slot:
        if listed not in self._slots:
            self._slots[listed] = Slot(listed, self._settings.sections)
        return self._slots[listed]

    async def _describe_slot(self, slot: Slot, infos: dict[Slot, ProviderInfo]) -> None:
        session = self.session()
        attempt = await session.attempt(slot, lambda provider: provider.status())
        (report,) = session.reports
        if isinstance(slot.loaded, Broken):
            infos[slot] = _info(slot.listed, "broken", slot.loaded.reason)
        elif report.status == "answered":
            infos[slot] = _info(slot.listed, "ready", None, attempt.value)
        else:
            infos[slot] = _info(slot.listed, report.status, report.detail)


def _info(
    listed: Listed,
    state: ProviderState,
    reason: str | None,
    facts: Mapping[str, str] | None = None,
) -> ProviderInfo:
    return ProviderInfo(
        listed.name,
        listed.kind,
        listed.distribution,
        listed.version,
        state,
        reason,
        facts or {},
    )


async def _close(provider: AnyProvider) -> None:
    try:
        with plugin_output_to_stderr():
            await provider.aclose()
    except (Exception, SystemExit):  # the provider boundary: nobody is left to be told
        return
