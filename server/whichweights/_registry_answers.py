"""What a provider's method gives is held against the contract before anybody reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, cast

from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.api_models import ApiModel, TokenPrices
from whichweights_schemas.evidence import ProviderKind
from whichweights_schemas.languages import (
    DevicePrice,
    LanguageEvidence,
    LanguageScore,
    ModelScore,
    ScoreEvidence,
)
from whichweights_schemas.models import ModelFile, ModelRef, ModelRelative, ModelSpec
from whichweights_schemas.providers import AnyProvider
from whichweights_schemas.tokenizing import RemoteCount, Tokenizer

_ONE: dict[ProviderKind, dict[str, tuple[type, ...]]] = {
    "models": {"spec": (ModelSpec, type(None))},
    "tokenizers": {
        "tokenizer": (Tokenizer, type(None)),
        "how_to_get": (str, type(None)),
        "count_remotely": (RemoteCount, type(None)),
    },
    "gpu": {"accelerators": (DeviceReading,)},
    "languages": {"evidence": (LanguageEvidence,)},
    "scores": {"evidence": (ScoreEvidence,)},
    "prices": {
        "device_price": (DevicePrice, type(None)),
        "token_prices": (TokenPrices, type(None)),
    },
}
"""Kind → method → what it may give."""

_MANY: dict[ProviderKind, dict[str, type]] = {
    "models": {"find": ModelRef, "files": ModelFile, "relatives": ModelRelative},
    "api_models": {"find": ApiModel},
    "tokenizers": {"known_names": str},
    "accelerators": {"lookup": Accelerator, "names": str},
    "languages": {"leaders": LanguageScore, "fertility_families": str},
    "scores": {"table": ModelScore},
}
"""Kind → method → of what it may give a sequence."""


def hold_to_contract(provider: AnyProvider, kind: ProviderKind) -> AnyProvider:
    """The same provider; a method that gives what the contract does not say raises TypeError.

    So a plugin's slip is reported under its name, as an exception it raised would be.
    """
    for method, shapes in _ONE.get(kind, {}).items():
        _guard(provider, method, shapes, many=False)
    for method, shape in _MANY.get(kind, {}).items():
        _guard(provider, method, (shape,), many=True)
    return provider


def _guard(provider: AnyProvider, method: str, shapes: tuple[type, ...], *, many: bool) -> None:
    ask = cast("Callable[..., Awaitable[object]]", getattr(provider, method))

    @wraps(ask)
    async def checked(*args: Any, **keywords: Any) -> object:
        answer = await ask(*args, **keywords)
        if not _is_sequence_of(answer, shapes) if many else not isinstance(answer, shapes):
            wanted = " or ".join(shape.__name__ for shape in shapes)
            given = type(answer).__name__
            article = "a sequence of " if many else ""
            raise TypeError(f"{method}() gave {given}, the contract says {article}{wanted}")
        return answer

    setattr(provider, method, checked)


def _is_sequence_of(answer: object, shapes: tuple[type, ...]) -> bool:
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        return False
    return all(isinstance(one, shapes) for one in cast("Sequence[object]", answer))
