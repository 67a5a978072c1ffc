"""What a provider's method gives is held against the contract before anybody reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, cast

from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.evidence import ProviderKind
from whichweights_schemas.models import ModelFile, ModelRef, ModelRelative, ModelSpec
from whichweights_schemas.providers import AnyProvider

Shapes = dict[str, tuple[type, ...]]
"""Method → what it may give."""

_NONE = type(None)


def _promised(kind: ProviderKind) -> tuple[Shapes, Shapes]:
    """What the methods of a kind may give: those that give one, those that give a sequence.

    Shapes are imported for the kind that is asked: pydantic works on each, asked for or not.
    """
    match kind:
        case "models":
            many: Shapes = {
                "find": (ModelRef,),
                "files": (ModelFile,),
                "relatives": (ModelRelative,),
            }
            return {"spec": (ModelSpec, _NONE)}, many
        case "accelerators":
            return {}, {"lookup": (Accelerator,), "names": (str,)}
        case "gpu":
            return {"accelerators": (DeviceReading,)}, {}
        case "api_models":
            from whichweights_schemas.api_models import ApiModel

            return {}, {"find": (ApiModel,)}
        case "prices":
            from whichweights_schemas.api_models import TokenPrices
            from whichweights_schemas.languages import DevicePrice

            prices: Shapes = {
                "device_price": (DevicePrice, _NONE),
                "token_prices": (TokenPrices, _NONE),
            }
            return prices, {}
        case "tokenizers":
            from whichweights_schemas.tokenizing import RemoteCount, Tokenizer

            one: Shapes = {
                "tokenizer": (Tokenizer, _NONE),
                "how_to_get": (str, _NONE),
                "count_remotely": (RemoteCount, _NONE),
            }
            return one, {"known_names": (str,)}
        case "languages":
            from whichweights_schemas.languages import LanguageEvidence, LanguageScore

            many = {"leaders": (LanguageScore,), "fertility_families": (str,)}
            return {"evidence": (LanguageEvidence,)}, many
        case "scores":
            from whichweights_schemas.languages import ModelScore, ScoreEvidence

            return {"evidence": (ScoreEvidence,)}, {"table": (ModelScore,)}


def hold_to_contract(provider: AnyProvider, kind: ProviderKind) -> AnyProvider:
    """The same provider; a method that gives what the contract does not say raises TypeError.

    So a plugin's slip is reported under its name, as an exception it raised would be.
    """
    one, many = _promised(kind)
    for method, shapes in one.items():
        _guard(provider, method, shapes, many=False)
    for method, shapes in many.items():
        _guard(provider, method, shapes, many=True)
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
