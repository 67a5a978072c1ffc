"""A model's name → its own tokenizer, its window and its list price, where they are known."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from whichweights.planning.generic import parse_size_name
from whichweights.registry import ProviderSession
from whichweights.resolve.models import ResolvedModel, resolve_model
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.errors import CallerError, ModelNotFound, NoTokenizer
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.providers import ApiModelProvider, TokenizerProvider
from whichweights_schemas.requests import FindApiModel, TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer


@dataclass(frozen=True)
class CountedModel:
    """A model to count for. `spec` and `api` are null where the name is only an encoding's."""

    name: str
    tokenizer: Tokenizer
    spec: ModelSpec | None
    api: ApiModel | None
    notes: tuple[str, ...] = ()


async def resolve_tokenizer(session: ProviderSession, name: str) -> CountedModel:
    """The tokenizer of the model or encoding `name`.

    Raises NoTokenizer when the model is known and its tokenizer is not at hand, and the errors of
    `resolve_model` when the name is not known at all.
    """
    request = TokenizerRequest(name=name)
    tokenizer = await session.first(TokenizerProvider, lambda p: p.tokenizer(request))
    api = await hosted_model(session, name)
    if tokenizer is not None:
        spec = None if api else await _spec_or_none(session, name)
        return CountedModel(name, tokenizer, spec, api)
    if parse_size_name(name) is not None:
        raise NoTokenizer(
            f"{name} is a bare size: it has no tokenizer", field="models", hint="name a model"
        )
    if api is not None and not api.open_weights:
        raise await _refusal(session, f"{api.vendor}/{api.id}", hosted=True)
    resolved = await _resolved(session, name)
    of_model = TokenizerRequest(name=resolved.spec.id, model=resolved.spec)
    tokenizer = await session.first(TokenizerProvider, lambda p: p.tokenizer(of_model))
    if tokenizer is None:
        raise await _refusal(session, resolved.spec.id, hosted=False)
    return CountedModel(name, tokenizer, resolved.spec, api, resolved.notes)


async def hosted_model(session: ProviderSession, name: str) -> ApiModel | None:
    """The hosted model of that name; None when no table has it."""
    found = await session.first(
        ApiModelProvider, lambda p: p.find(FindApiModel(query=name, limit=1))
    )
    return found[0] if found else None


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


async def _spec_or_none(session: ProviderSession, name: str) -> ModelSpec | None:
    try:
        return (await resolve_model(session, name, argument="models")).spec
    except CallerError:
        return None


async def _refusal(session: ProviderSession, model: str, *, hosted: bool) -> NoTokenizer:
    known = await _known_names(session)
    why = "its maker publishes none" if hosted else "no installed provider has it"
    return NoTokenizer(
        f"the tokenizer of {model} is not at hand: {why}",
        field="models",
        hint="another model's tokenizer would count something else; "
        "exact counts are available for the names in suggestions",
        suggestions=known,
    )
