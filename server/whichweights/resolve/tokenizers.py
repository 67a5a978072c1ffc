"""A model's name → its own tokenizer, its window and its list price, where they are known."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from whichweights.planning.generic import parse_size_name
from whichweights.registry import ProviderSession
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights.resolve.undecided import refuse_undecided
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.errors import CallerError, ModelNotFound, NoTokenizer
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import ApiModelProvider, TokenizerProvider
from whichweights_schemas.requests import FindApiModel, TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer


@dataclass(frozen=True)
class CountedModel:
    """A model to count for.

    `tokenizer` is None for a hosted model whose maker publishes none. `spec` and `api` are None
    where the name is only an encoding's.
    """

    name: str
    tokenizer: Tokenizer | None
    spec: ModelSpec | None
    api: ApiModel | None
    notes: tuple[str, ...] = ()


async def resolve_tokenizer(
    session: ProviderSession, name: str, *, with_template: bool = False
) -> CountedModel:
    """The tokenizer of the model or encoding `name`; of one with its chat template if asked.

    Raises NoTokenizer when the model is known and its tokenizer is not at hand, ProviderTimeout or
    ProviderFailed while a provider that may have it is silent, and the errors of `resolve_model`
    when the name is not known at all.
    """
    if parse_size_name(name) is not None:
        raise NoTokenizer(
            f"{name} is a bare size: it has no tokenizer", field="models", hint="name a model"
        )
    tokenizer = await _tokenizer(session, TokenizerRequest(name=name), with_template)
    api = await hosted_model(session, name)
    if tokenizer is not None:
        closed = api is not None and not api.open_weights
        spec = None if closed else await spec_or_none(session, name)
        return CountedModel(name, tokenizer, spec, api)
    if api is not None and not api.open_weights:
        return CountedModel(name, None, None, api)
    resolved = await _resolved(session, name)
    request = TokenizerRequest(name=resolved.spec.id, model=resolved.spec)
    tokenizer = await _tokenizer(session, request, with_template)
    if tokenizer is None:
        raise await _refusal(session, request)
    return CountedModel(name, tokenizer, resolved.spec, api, resolved.notes)


async def hosted_model(session: ProviderSession, name: str) -> ApiModel | None:
    """The hosted model of that name; None when no table has it."""
    found = await session.first(
        ApiModelProvider, lambda p: p.find(FindApiModel(query=name, limit=1))
    )
    return found[0] if found else None


async def spec_or_none(session: ProviderSession, name: str) -> ModelSpec | None:
    """The facts of the model of that name; None when it is not known, or not alone."""
    try:
        return (await resolve_model(session, name, argument="models")).spec
    except CallerError:
        return None


async def how_to_get(session: ProviderSession, request: TokenizerRequest) -> str | None:
    """The one step that would put the tokenizer, or the vendor's count, at hand."""
    return await session.first(TokenizerProvider, lambda p: p.how_to_get(request))


async def _tokenizer(
    session: ProviderSession, request: TokenizerRequest, with_template: bool
) -> Tokenizer | None:
    if with_template:
        wanted = request.model_copy(update={"with_template": True})
        found = await _first(session, wanted)
        if found is not None:
            return found
    return await _first(session, request)


async def _first(session: ProviderSession, request: TokenizerRequest) -> Tokenizer | None:
    """What is on this machine before what another one has."""
    refusal: NoTokenizer | None = None
    try:
        found = await session.first(
            TokenizerProvider, lambda p: p.tokenizer(request), where=lambda p: not p.last_resort
        )
    except NoTokenizer as error:
        found, refusal = None, error
    if found is None:
        found = await session.first(
            TokenizerProvider, lambda p: p.tokenizer(request), where=lambda p: p.last_resort
        )
    if found is None and refusal is not None:
        raise refusal
    return found


async def _resolved(session: ProviderSession, name: str) -> ResolvedModel:
    """The model; of a name nobody knows the nearest encodings are suggested too."""
    try:
        return await resolve_model(session, name, argument="models")
    except ModelNotFound as error:
        near = difflib.get_close_matches(name[:80].lower(), await _known_names(session), cutoff=0.5)
        raise ModelNotFound(
            error.message,
            field=error.field,
            hint=f"{error.hint}, or an encoding such as o200k_base",
            suggestions=(*near, *error.suggestions),
        ) from None


async def _known_names(session: ProviderSession) -> list[str]:
    tables = await session.all(TokenizerProvider, lambda p: p.known_names())
    return sorted({name for _, names in tables for name in names})


async def _refusal(session: ProviderSession, request: TokenizerRequest) -> NoTokenizer:
    step = await how_to_get(session, request)
    refuse_undecided(
        session,
        TokenizerProvider,
        subject=f"the tokenizer of {request.name} is not with anybody who answered",
        field="models",
    )
    other = "another model's tokenizer would count something else"
    return NoTokenizer(
        f"the tokenizer of {request.name} is not at hand: no installed provider has it",
        field="models",
        hint=f"`{step}` fetches it; {other}" if step else other,
        suggestions=() if step else await _known_names(session),
    )
