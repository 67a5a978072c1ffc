"""Whose measurements may speak for a model: its own, its base model's, its family's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from whichweights_schemas.languages import MeasuredOn
from whichweights_schemas.models import ModelSpec

_RENAMED = (
    ("cohereforai/", "coherelabs/"),
    ("meta-llama/meta-llama-3.1-", "meta-llama/llama-3.1-"),
    ("thudm/", "zai-org/"),
)
"""Repositories that moved on the Hub: old beginning, present one."""

_STORAGE = re.compile(
    r"[-_.](gguf|ggml|awq|gptq|exl[23]|mlx|bnb|fp8|fp4|fp16|bf16|nvfp4|mxfp[48]|int[48]|"
    r"w\d+a\d+|[2-8]\s?-?bits?|q\d(_[a-z0-9]+)*|iq\d_[a-z]+|ud|qat|dynamic|imatrix|i1|marlin|"
    r"quantized(\.w\d+a\d+)?|dwq|autoround)$"
)
_VARIANT = frozenset(
    {"instruct", "chat", "it", "base", "pt", "hf", "thinking", "think", "reasoning", "preview"}
)
_SEPARATORS = re.compile(r"[-_. ]+")


@dataclass(frozen=True)
class Kin:
    """A model of the table whose rows may answer, and how it is related to the one asked for."""

    id: str
    measured_on: MeasuredOn
    note: str | None = None


class KnownModels:
    """The models a table has rows of, found by id, by the id they are a copy of, or by family."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_family: dict[str, list[str]] = {}
        for model in ids:
            key = canonical(model)
            self._by_id[key] = model
            self._by_name.setdefault(_name(without_storage(key)), []).append(model)
            self._by_family.setdefault(_family(key), []).append(model)

    def kin(self, spec: ModelSpec) -> Iterator[Kin]:
        """Nearest first: the model itself, the model it stores in another format (or a copy of it
        in another format), its declared base model, then variants of the same family and size."""
        asked = canonical(spec.id)
        seen: set[str] = set()
        for kin in self._ordered(asked, spec.base_model):
            if kin.id not in seen:
                seen.add(kin.id)
                yield kin

    def _ordered(self, asked: str, base: str | None) -> Iterator[Kin]:
        if asked in self._by_id:
            yield Kin(self._by_id[asked], "this_model")
        yield from self._copies(asked)
        if base is not None:
            yield from self._base(canonical(base))
        family = self._by_family.get(_family(asked), [])
        for model in sorted(family, key=lambda other: (_is_base(other), len(other), other)):
            yield Kin(model, "same_family", "another variant of the same family and size")

    def _copies(self, asked: str) -> Iterator[Kin]:
        """The same weights in another format. Of another owner only where the asked name says that
        it is a copy: a fine-tune may bear the name of what it was made from."""
        plain = without_storage(asked)
        owner = asked.partition("/")[0]
        found = self._by_name.get(_name(plain), [])
        own = [model for model in found if canonical(model).partition("/")[0] == owner]
        others = found if plain != asked and len(found) == 1 else []
        for model in own or others:
            if canonical(model) != asked:
                yield Kin(model, "base_model", "the same weights in another format")

    def _base(self, base: str) -> Iterator[Kin]:
        if base in self._by_id:
            yield Kin(self._by_id[base], "base_model", "the declared base model")
        yield from self._copies(base)


def canonical(model: str) -> str:
    """A repository id as tables are keyed: lower case, under its present name, no revision."""
    key = model.partition("@")[0].strip().lower()
    for old, new in _RENAMED:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def without_storage(key: str) -> str:
    """The id without what says how its weights are stored ("-AWQ", "-4bit-GGUF")."""
    shorter = _STORAGE.sub("", key)
    while shorter != key:
        key, shorter = shorter, _STORAGE.sub("", shorter)
    return key


def _name(key: str) -> str:
    """The name part, separators alike, without Hugging Face's conversion suffix."""
    name = key.rsplit("/", 1)[-1].replace("meta-llama-3.1-", "llama-3.1-", 1)
    return _SEPARATORS.sub("-", name).removesuffix("-hf")


def _family(key: str) -> str:
    """Owner and name without training stage, storage and release date."""
    owner, _, name = without_storage(key).rpartition("/")
    kept = [
        word
        for word in _SEPARATORS.split(name)
        if word not in _VARIANT and not (word.isdigit() and len(word) == 4)
    ]
    return f"{owner}/{'-'.join(kept)}"


def _is_base(model: str) -> bool:
    """Whether the name says nothing of instruction tuning, so that instruct variants come first."""
    words = set(_SEPARATORS.split(model.lower()))
    return not words & {"instruct", "chat", "it"}
