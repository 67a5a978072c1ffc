"""A vocabulary or a model → its measured tokens relative to English in a language."""

from __future__ import annotations

from collections.abc import Sequence

from whichweights.registry import ProviderSession
from whichweights_schemas.languages import Fertility
from whichweights_schemas.models import ModelSpec, ParameterCounts
from whichweights_schemas.providers import LanguageProvider
from whichweights_schemas.requests import LanguageQuestion

STAND_INS = (
    *("o200k_base", "llama3", "llama4", "qwen3", "gemma3", "deepseek_v3", "mistral_tekken"),
    "command_r_plus",
)
"""Measured vocabularies of models of today: the range a model's unknown one most likely lies in."""


async def fertility_of(
    session: ProviderSession, family: str | None, language: str
) -> Fertility | None:
    """The row of one vocabulary in one language; None where nobody measured it."""
    if not family:
        return None
    model = ModelSpec(
        id=family,
        display_name=family,
        parameters=ParameterCounts(total=None),
        tokenizer_family=family,
    )
    question = LanguageQuestion(model=model, language=language)
    answers = await session.all(LanguageProvider, lambda p: p.evidence(question))
    return next((row for _, evidence in answers for row in evidence.fertility), None)


async def stand_in_rows(session: ProviderSession, language: str) -> Sequence[Fertility]:
    """The rows of the vocabularies that stand in for an unknown one."""
    rows = [await fertility_of(session, family, language) for family in STAND_INS]
    return [row for row in rows if row is not None]
