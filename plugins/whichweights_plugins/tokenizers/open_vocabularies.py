"""Vocabularies of open families from the extra `vocabularies`, each proved by its hash."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from whichweights_plugins.tokenizers._byte_pair import BytePairTokenizer
from whichweights_plugins.tokenizers._vocabulary_facts import FAMILIES, FamilyFacts, family_of
from whichweights_schemas.errors import NoTokenizer
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import NoSettings, ProviderContext, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer, TokenizerIdentity

if TYPE_CHECKING:
    import tiktoken

_PACKAGE = "splintr"
_INSTALL = 'uv pip install "whichweights[vocabularies]"'


class OpenVocabularies(TokenizerProvider[NoSettings]):
    """Text counts of families whose vocabulary the extra carries; chats need their templates.

    The package serves as a store of vocabularies only; tiktoken does the splitting and merging.
    """

    def __init__(self, context: ProviderContext[NoSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[str, tuple[tiktoken.Encoding, TokenizerIdentity]] = {}
        self._loading = threading.Lock()

    async def available(self) -> str | None:
        if importlib.util.find_spec(_PACKAGE) is None:
            return f"the extra `vocabularies` is not installed: {_INSTALL}"
        return None

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        family = family_of(request.name if request.model is None else request.model.id)
        if family is None or request.with_template:
            return None
        return await self.run_blocking(self._tokenizer, family)

    async def known_names(self) -> Sequence[str]:
        return [name for family in FAMILIES for name in (family.name, family.command_model)]

    async def status(self) -> dict[str, str]:
        return {name: identity.source for name, (_, identity) in self._loaded.items()}

    def _tokenizer(self, family: FamilyFacts) -> Tokenizer:
        """Blocking: about a second the first time a family is asked for."""
        with self._loading:
            if family.name not in self._loaded:
                self._loaded[family.name] = _build(family)
            encoding, identity = self._loaded[family.name]
        return BytePairTokenizer(
            encoding, identity, literal=frozenset(family.literal), nfc=family.nfc
        )


def _build(family: FamilyFacts) -> tuple[tiktoken.Encoding, TokenizerIdentity]:
    import tiktoken

    encoding = tiktoken.Encoding(
        family.name,
        pat_str=family.pattern,
        mergeable_ranks=_proved_ranks(family),
        special_tokens=dict(family.literal),
    )
    version = importlib.metadata.version("splintr-rs")
    source = f"splintr-rs {version}, proved by sha256 of the maker's file"
    identity = TokenizerIdentity(
        name=family.name,
        source=source,
        sha256=family.sha256,
        vocabulary_size=family.ranks,
        evidence=Evidence(fields=("tokens",), basis="exact", source=f"{family.name}, {source}"),
    )
    return encoding, identity


def _proved_ranks(family: FamilyFacts) -> dict[bytes, int]:
    """Merge ranks. Raises NoTokenizer when they are not those of the maker's file."""
    store = _store(family.packaged_as)
    tokens: list[bytes] = [store.decode_token_bytes(rank) for rank in range(family.ranks)]
    digest = hashlib.sha256()
    for rank, token in enumerate(tokens):
        digest.update(b"%s %d\n" % (base64.b64encode(token), rank))
    if digest.hexdigest() != family.sha256:
        raise NoTokenizer(
            f"the installed splintr-rs does not hold the vocabulary of {family.name}: its sha256 "
            "is not the maker's",
            field="models",
            hint="install splintr-rs 0.22.0, or fetch the model's tokenizer.json",
        )
    return {token: rank for rank, token in enumerate(tokens)}


def _store(name: str) -> Any:
    import splintr  # pyright: ignore[reportMissingImports]  # an extra

    return splintr.Tokenizer.from_pretrained(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
