"""What a half-typed argument of a prompt or of a resource's address could become."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast, get_args

from whichweights.planning.formats import known_formats
from whichweights.planning.glossary import GLOSSARY
from whichweights.resolve.languages import language_name
from whichweights.toolbox import Toolbox
from whichweights_schemas.providers import AcceleratorCatalogue, LanguageProvider, ModelProvider
from whichweights_schemas.requests import CandidateFilter

MOST_VALUES = 100
"""The protocol allows no more in one answer."""

_LONGEST = 200

Named = tuple[str, str]
"""A value, and the words it may be found by."""


async def complete(toolbox: Toolbox, domain: str, typed: str) -> tuple[list[str], int]:
    """Up to 100 values of the domain that match what was typed, and how many match in all.

    Those that begin with it come first, then those with a word that does, then those that hold
    it; of equals the shorter. Of a list ("de, ta") the last entry is completed. An unknown
    domain has no values.
    """
    source = DOMAINS.get(domain)
    if source is None or len(typed) > _LONGEST:
        return [], 0
    before, comma, last = typed.rpartition(",") if domain in _LISTS else ("", "", typed)
    wanted = _folded(last)
    ranked = sorted(
        (rank, len(value) if wanted else 0, place, value)
        for place, (value, words) in enumerate(await source(toolbox))
        if (rank := _rank(wanted, value, words)) is not None
    )
    start = f"{before}{comma} " if comma else ""
    return [start + value for *_, value in ranked[:MOST_VALUES]], len(ranked)


def _folded(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text.lower()).strip()


def _rank(wanted: str, value: str, words: str) -> int | None:
    folded, found_by = _folded(value), _folded(words)
    if folded.startswith(wanted):
        return 0
    if any(part.startswith(wanted) for part in (found_by, *re.split(r"[/ ]", found_by))):
        return 1
    return 2 if wanted in found_by else None


async def _models(toolbox: Toolbox) -> Iterable[Named]:
    """Models at hand: no provider that asks another machine is asked at a keystroke."""
    session = toolbox.registry.session()
    base = cast("type[ModelProvider[Any]]", ModelProvider)

    def is_at_hand(provider: ModelProvider[Any]) -> bool:
        return type(provider).candidates is not base.candidates and not provider.last_resort

    wanted = CandidateFilter(kinds=("instruct", "base", "encoder"))
    offers = session.batches(ModelProvider, lambda p: p.candidates(wanted), where=is_at_hand)
    found: dict[str, str] = {}
    async for _, batch in offers:
        for spec in batch:
            found.setdefault(spec.id, f"{spec.id} {spec.display_name}")
    return found.items()


async def _accelerators(toolbox: Toolbox) -> Iterable[Named]:
    answers = await toolbox.registry.session().all(AcceleratorCatalogue, lambda p: p.names())
    return [(name, name) for name in dict.fromkeys(n for _, names in answers for n in names)]


async def _languages(toolbox: Toolbox) -> Iterable[Named]:
    answers = await toolbox.registry.session().all(LanguageProvider, lambda p: p.languages())
    tags = dict.fromkeys(tag for _, some in answers for tag in some)
    return [(tag, f"{tag} {language_name(tag)}") for tag in tags]


async def _quantizations(_: Toolbox) -> Iterable[Named]:
    return [(name, name) for name in known_formats()]


async def _glossary(_: Toolbox) -> Iterable[Named]:
    return [(name, " ".join((name, *term.aliases))) for name, term in GLOSSARY.items()]


async def _tools(toolbox: Toolbox) -> Iterable[Named]:
    return [(name, name) for name in toolbox.specs]


async def _tasks(_: Toolbox) -> Iterable[Named]:
    from whichweights_schemas.tools.recommend_model import Task

    choices, *_rest = get_args(Task)
    return [(task, task) for task in get_args(choices)]


DOMAINS: dict[str, Callable[[Toolbox], Awaitable[Iterable[Named]]]] = {
    "models": _models,
    "accelerators": _accelerators,
    "languages": _languages,
    "quantizations": _quantizations,
    "glossary": _glossary,
    "schemas": _tools,
    "tasks": _tasks,
}
"""By the name of a resource, or what an argument of a prompt says it completes from."""

_LISTS = frozenset({"languages"})
