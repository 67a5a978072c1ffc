"""Which providers there are, and in what order they are asked. Nothing is imported here."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import Distribution, EntryPoint
from itertools import chain
from typing import Literal

from whichweights._registry_settings import BUILT_IN_DISTRIBUTION, RegistrySettings
from whichweights_schemas.evidence import ProviderKind
from whichweights_schemas.providers import (
    AcceleratorCatalogue,
    AnyProvider,
    ApiModelProvider,
    GpuProvider,
    LanguageProvider,
    ModelProvider,
    PriceProvider,
    ScoreProvider,
    TokenizerProvider,
)

_BASES: tuple[type[AnyProvider], ...] = (
    ModelProvider,
    ApiModelProvider,
    TokenizerProvider,
    GpuProvider,
    AcceleratorCatalogue,
    LanguageProvider,
    ScoreProvider,
    PriceProvider,
)
BASE_OF_KIND: dict[ProviderKind, type[AnyProvider]] = {base.kind: base for base in _BASES}
GROUP_PREFIX = "whichweights."
RUN_TIME_DISTRIBUTION = "runtime"
"""Stands for the distribution of a provider that was added by `Registry.add`."""


@dataclass(frozen=True, eq=False)
class Listed:
    """A provider known by name; `load` imports it and gives whatever the entry point names."""

    name: str
    kind: ProviderKind
    distribution: str
    version: str | None
    load: Callable[[], object]

    def is_meant_by(self, pattern: str) -> bool:
        """Whether `name`, `distribution:name` or `distribution:*` of the configuration means it."""
        return pattern in (
            self.name,
            f"{self.distribution}:{self.name}",
            f"{self.distribution}:*",
        )


@dataclass(frozen=True)
class LeftOut:
    """A provider that is known and not asked."""

    listed: Listed
    state: Literal["disabled", "duplicate"]
    reason: str


@dataclass(frozen=True)
class Arranged:
    """The providers of one kind: in the order they are asked, and those left out."""

    in_order: tuple[Listed, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


def list_entry_points(entry_points: Iterable[EntryPoint] | None) -> list[Listed]:
    """The providers declared by entry points: those given, else those installed.

    A group `whichweights.<something else>` is of another version and is left alone.
    """
    if entry_points is None:
        installed = importlib.metadata.entry_points()
        groups = (GROUP_PREFIX + kind for kind in BASE_OF_KIND)
        entry_points = chain.from_iterable(installed.select(group=group) for group in groups)
    names: dict[int, tuple[str, str | None]] = {}  # reading METADATA costs a millisecond
    listed: list[Listed] = []
    for entry in entry_points:
        kind = entry.group.removeprefix(GROUP_PREFIX)
        if kind == entry.group or kind not in BASE_OF_KIND:
            continue
        distribution = entry.dist
        if id(distribution) not in names:
            names[id(distribution)] = _name_and_version(distribution)
        name, version = names[id(distribution)]
        listed.append(Listed(entry.name, kind, name, version, entry.load))
    return listed


def list_class(name: str, provider_class: type[AnyProvider]) -> Listed:
    """A provider added at run time."""
    return Listed(
        name, provider_class.kind, RUN_TIME_DISTRIBUTION, None, partial(_given, provider_class)
    )


def arrange(kind: ProviderKind, listed: Sequence[Listed], settings: RegistrySettings) -> Arranged:
    """Order: the configured list, then built-ins as declared, then third parties by name.

    Providers of one name are all left out, unless the configured list names `distribution:name`.
    """
    left_out: list[LeftOut] = []
    enabled: list[Listed] = []
    for one in listed:
        if one.kind == kind:
            reason = _why_disabled(one, settings)
            if reason is None:
                enabled.append(one)
            else:
                left_out.append(LeftOut(one, "disabled", reason))
    preferred = settings.order.get(kind, ())
    unique, duplicates, warnings = _without_duplicates(kind, enabled, preferred)
    left_out += duplicates
    position = {one: number for number, one in enumerate(listed)}

    def rank(one: Listed) -> tuple[int, int, int, str]:
        chosen = next((n for n, p in enumerate(preferred) if one.is_meant_by(p)), len(preferred))
        if one.distribution == BUILT_IN_DISTRIBUTION:
            return chosen, 0, position[one], ""
        return chosen, 1, 0, one.name

    return Arranged(tuple(sorted(unique, key=rank)), tuple(left_out), tuple(warnings))


def unmet_names(listed: Sequence[Listed], settings: RegistrySettings) -> tuple[str, ...]:
    """Sentences about names in the configuration that no known provider has."""
    sentences: list[str] = []
    for place, patterns, known in (
        *((f"order of {kind}", names, [one for one in listed if one.kind == kind])
          for kind, names in settings.order.items()),
        ("disabled", settings.disabled, listed),
        ("the list of providers to use", settings.only or (), listed),
        ("a section of its own", tuple(settings.sections), listed),
    ):  # fmt: skip
        sentences += [
            f"the configuration names the provider {pattern!r} ({place}); none is installed"
            for pattern in patterns
            if not any(one.is_meant_by(pattern) for one in known)
        ]
    return tuple(sentences)


def _name_and_version(distribution: Distribution | None) -> tuple[str, str | None]:
    if distribution is None:
        return "unknown", None
    return distribution.name, distribution.version


def _given(provider_class: type[AnyProvider]) -> object:
    return provider_class


def _why_disabled(one: Listed, settings: RegistrySettings) -> str | None:
    if settings.only is not None and not any(one.is_meant_by(name) for name in settings.only):
        return "not among the providers this process was told to use"
    if any(one.is_meant_by(name) for name in settings.disabled):
        return "disabled by the configuration"
    return None


def _without_duplicates(
    kind: ProviderKind, enabled: Sequence[Listed], preferred: Sequence[str]
) -> tuple[list[Listed], list[LeftOut], list[str]]:
    by_name: dict[str, list[Listed]] = {}
    for one in enabled:
        by_name.setdefault(one.name, []).append(one)
    unique: list[Listed] = []
    left_out: list[LeftOut] = []
    warnings: list[str] = []
    for name, bearers in by_name.items():
        if len(bearers) == 1:
            unique += bearers
            continue
        full_names = [f"{one.distribution}:{name}" for one in bearers]
        chosen = next((full for full in preferred if full_names.count(full) == 1), None)
        if chosen is None:
            reason = f"{len(bearers)} providers of {kind} are called {name!r}"
            own = f"{BUILT_IN_DISTRIBUTION}:{name}"
            example = own if own in full_names else full_names[0]
            warnings.append(
                f"{reason} ({', '.join(full_names)}) and none is used: "
                f'choose with [providers] order = {{{kind} = ["{example}"]}}'
            )
        else:
            reason = f"the configuration chose {chosen}"
        for one, full in zip(bearers, full_names, strict=True):
            if full == chosen:
                unique.append(one)
            else:
                left_out.append(LeftOut(one, "duplicate", reason))
    return unique, left_out, warnings
