"""A name, an id or a bare size → one ModelSpec, or an error that names the candidates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whichweights.planning.generic import generic_model, parse_size_name
from whichweights.registry import ProviderSession
from whichweights.resolve.merging import fill_from_others
from whichweights.resolve.undecided import refuse_undecided
from whichweights_schemas.errors import (
    AmbiguousModel,
    ModelGated,
    ModelNotFound,
    Offline,
    OperatorError,
    PathNotAllowed,
    ProviderFailed,
    ProviderTimeout,
    UnsupportedArchitecture,
)
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import ApiModelProvider, ModelProvider
from whichweights_schemas.requests import FindApiModel, FindModel

_SHOWN = 8
_LONGEST_NAME = 200
_ALL_HOSTED = 2_000
_DATE_DIGITS = 3
_TUNING = re.compile(r"-(?:instruct|thinking)(?=$|-)", re.IGNORECASE)
_NAMES_HINT = 'give a Hub repo id, a name such as "llama 3.1 8b", or a bare size such as "7B"'
_UNDECIDED_HINT = (
    "try again once the Hub can be reached, or name a model of the catalogue, a local folder or "
    'file, or a bare size such as "7B"'
)
_FILES_HINT = (
    "check that it is there, and for an ollama tag that ollama runs; or name the model it holds, "
    'such as "llama 3.1 8b"'
)


@dataclass(frozen=True)
class ResolvedModel:
    """A model, the provider that knew it, and what was understood along the way."""

    spec: ModelSpec
    provider: str
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    refs: list[ModelRef] = field(default_factory=list[ModelRef])
    refused: OperatorError | None = None
    elsewhere: set[str] = field(default_factory=set[str])

    def matching(self, *kinds: str) -> list[ModelRef]:
        return [ref for ref in self.refs if ref.match in kinds]


async def resolve_model(
    session: ProviderSession, query: str, *, argument: str = "model"
) -> ResolvedModel:
    """The one model the query means.

    Raises ModelNotFound, AmbiguousModel, UnsupportedArchitecture for a hosted model whose weights
    are not published, ProviderTimeout or ProviderFailed while a table at hand is silent, and those
    or Offline for an id that nobody at hand knows while another machine did not answer.
    """
    size = parse_size_name(query)
    if size is not None:
        return ResolvedModel(
            generic_model(size),
            "generic",
            (
                f"{query} is a bare size: a typical architecture of that size stands in (prior); "
                "name a model for exact figures",
            ),
        )
    found = _Found()
    ref, notes = await _find(session, query, found, argument)
    spec = await session.one(ModelProvider, ref.provider, lambda p: p.spec(ref))
    if spec is None:
        refuse_undecided(
            session,
            ModelProvider,
            subject=f"{ref.id} was found, and its facts could not be read",
            field=argument,
            among=lambda report: report.name == ref.provider,
        )
        raise ModelNotFound(
            f"{ref.id} was found by provider {ref.provider}, which then could not tell about it"
            + _why(session, ref.provider),
            field=argument,
            hint="try again, or name another model",
        )
    spec = await fill_from_others(session, spec, ref.provider)
    return ResolvedModel(spec, ref.provider, notes)


async def _find(
    session: ProviderSession, query: str, found: _Found, argument: str
) -> tuple[ModelRef, tuple[str, ...]]:
    """At hand first; another machine is asked only for an id, a name or a revision unknown here."""
    wanted, _, revision = (query, "", "") if _is_file(query) else query.partition("@")
    request = FindModel(query=wanted, revision=revision or None)
    exact = await _exact(session, request, found, last_resort=False)
    if exact is None and (_is_id(wanted) or not found.matching("partial")):
        if not _is_id(wanted):
            await _refuse_hosted(session, query, argument)
        exact = await _exact(session, request, found, last_resort=True)
    elif exact is not None and revision:
        exact = await _at_revision(session, exact, revision, found) or exact
    if exact is not None:
        ref, notes = _one_of(exact, query, argument)
    else:
        ref, notes = await _guess(session, found, query, argument)
    if revision and ref.revision != revision:
        notes = (*notes, f"revision {revision} is not known here: the figures are of {ref.id}")
    return ref, notes


async def _exact(
    session: ProviderSession, request: FindModel, found: _Found, *, last_resort: bool
) -> Sequence[ModelRef] | None:
    """Refs of the first provider that knows an id or alias; what else it names is kept aside."""

    async def named(provider: ModelProvider[Any]) -> Sequence[ModelRef] | None:
        refs = await provider.find(request)
        found.refs.extend(refs)
        return [ref for ref in refs if ref.match in ("id", "alias")] or None

    def may_know(provider: ModelProvider[Any]) -> bool:
        wanted = provider.last_resort == last_resort and provider.may_know(request.query)
        if wanted and last_resort:
            found.elsewhere.add(provider.name)
        return wanted

    try:
        return await session.first(ModelProvider, named, where=may_know)
    except PathNotAllowed:
        raise
    except OperatorError as refusal:  # offline or gated: the providers' reports say which
        found.refused = found.refused or refusal
        return None


async def _at_revision(
    session: ProviderSession, exact: Sequence[ModelRef], revision: str, found: _Found
) -> Sequence[ModelRef] | None:
    if len(exact) != 1 or exact[0].revision == revision:
        return None
    request = FindModel(query=exact[0].id, revision=revision)
    return await _exact(session, request, found, last_resort=True)


async def _guess(
    session: ProviderSession, found: _Found, query: str, argument: str
) -> tuple[ModelRef, tuple[str, ...]]:
    partial = found.matching("partial")
    if partial:
        ref, notes = _one_of(partial, query, argument)
        return ref, (*notes, f"“{_short(query)}” was understood as {ref.id}{_why(session)}")
    await _refuse_hosted(session, query, argument)
    if isinstance(found.refused, ModelGated):
        raise found.refused
    if _is_id(query):
        _refuse_undecided(session, found, query, argument)
    similar = [ref.id for ref in found.matching("similar")][:_SHOWN]
    refuse_undecided(
        session,
        ModelProvider,
        ApiModelProvider,
        subject=f"“{_short(query)}” is known to nobody who answered",
        field=argument,
        suggestions=similar,
        among=lambda report: report.name not in found.elsewhere,
    )
    hint = _FILES_HINT if _is_file(query) else _NAMES_HINT
    raise ModelNotFound(
        f"no model is known as “{_short(query)}”{_asked(session)}{_why(session)}",
        field=argument,
        hint=hint,
        suggestions=similar or await _hosted_like(session, query),
    )


async def _hosted_like(session: ProviderSession, query: str) -> list[str]:
    """Hosted models whose id holds every word of the query ("claude sonnet"), the newest first.

    Where a date is missing the highest version comes first.
    """
    words = query.lower().replace("-", " ").split()
    if not words or len(query) > _LONGEST_NAME:
        return []
    everything = FindApiModel(limit=_ALL_HOSTED)
    hosted = await session.first(ApiModelProvider, lambda p: p.find(everything)) or ()
    like = [model for model in hosted if all(word in model.id.lower() for word in words)]
    if all(model.release_date for model in like):
        like.sort(key=lambda model: model.release_date or "", reverse=True)
    else:
        like.sort(key=lambda model: (_version(model.id), model.release_date or ""), reverse=True)
    return [model.id for model in like[:_SHOWN]]


def _version(name: str) -> tuple[int, ...]:
    """The numbers of an id in their order, those of three digits and more being dates or sizes."""
    return tuple(int(number) for number in re.findall(r"\d+", name) if len(number) < _DATE_DIGITS)


def _refuse_undecided(session: ProviderSession, found: _Found, query: str, argument: str) -> None:
    """An id that only another machine could tell about is not unknown while that one is silent.

    Raises Offline, ProviderTimeout or ProviderFailed; returns where that machine has answered.
    """
    silent = [
        report
        for report in session.reports
        if report.kind == ModelProvider.kind
        and report.name in found.elsewhere
        and report.status != "answered"
    ]
    if not silent:
        return
    kinds = {"timeout": ProviderTimeout, "failed": ProviderFailed}
    kind = kinds.get(silent[0].status, Offline)
    raise kind(
        f"{_short(query)} is not in the tables here, and elsewhere could not be asked"
        + _why(session),
        field=argument,
        hint=_UNDECIDED_HINT,
        suggestions=[ref.id for ref in found.matching("similar")][:_SHOWN],
    )


def _asked(session: ProviderSession) -> str:
    """Who had no answer, where more than the catalogue was asked."""
    answered = [
        report.name
        for report in session.reports
        if report.kind == ModelProvider.kind and report.status == "answered"
    ]
    return f", asked: {', '.join(answered)}" if len(answered) > 1 else ""


def _why(session: ProviderSession, provider: str | None = None) -> str:
    """Which providers of models could not say, and why; empty when all could."""
    silent = [
        f"{report.name}: {report.detail or report.status}"
        for report in session.reports
        if report.kind == ModelProvider.kind
        and report.status != "answered"
        and provider in (None, report.name)
    ]
    silent += session.warnings  # of two providers with one name neither was asked
    return f" ({'; '.join(silent)})" if silent else ""


def _one_of(
    refs: Sequence[ModelRef], query: str, argument: str
) -> tuple[ModelRef, tuple[str, ...]]:
    by_id = [ref for ref in refs if ref.match == "id"]
    refs = by_id[:1] or refs
    instruct = [ref for ref in refs if ref.kind == "instruct"]
    others = {ref.kind for ref in refs} - {"instruct"}
    if len(refs) == 1:
        return refs[0], (refs[0].note,) if refs[0].note else ()
    if len(instruct) == 1 and others == {"base"} and len(refs) == 2:
        return instruct[0], ("a name that a base and an instruct model share means instruct",)
    twin = _instruct_of_twins(refs)
    if twin is not None:
        return twin, ("a name that an instruct and a thinking model share means instruct",)
    raise AmbiguousModel(
        f"“{_short(query)}” fits {len(refs)} models",
        field=argument,
        hint="name one of them",
        suggestions=[ref.id for ref in refs][:_SHOWN],
    )


def _instruct_of_twins(refs: Sequence[ModelRef]) -> ModelRef | None:
    """The Instruct one of two models whose ids differ by Instruct and Thinking alone."""
    if len(refs) != 2 or len({_TUNING.sub("", ref.id).lower() for ref in refs}) != 1:
        return None
    instruct = [ref for ref in refs if "-instruct" in ref.id.lower()]
    thinking = [ref for ref in refs if "-thinking" in ref.id.lower()]
    return instruct[0] if len(instruct) == len(thinking) == 1 else None


async def _refuse_hosted(session: ProviderSession, query: str, argument: str) -> None:
    hosted = await session.first(
        ApiModelProvider, lambda p: p.find(FindApiModel(query=query, limit=1))
    )
    if hosted and hosted[0].open_weights is not True:
        raise UnsupportedArchitecture(
            f"{hosted[0].id} is a hosted model of {hosted[0].vendor}: "
            "its architecture is not published",
            field=argument,
            hint="describe_model has its window and list price; name an open-weight model here",
        )


def _is_id(query: str) -> bool:
    """Whether it looks like a repository id; whether it is one, the Hub's provider knows."""
    owner, _, name = query.partition("/")
    return bool(owner and name) and "/" not in name and owner[0] not in ".~\\"


def _is_file(query: str) -> bool:
    ends = (".gguf", ".safetensors", ".json", ".bin")
    return query.startswith(("ollama:", "/", "./", "~", "\\")) or query.lower().endswith(ends)


def _short(query: str) -> str:
    return query if len(query) <= 60 else f"{query[:60]}…"
