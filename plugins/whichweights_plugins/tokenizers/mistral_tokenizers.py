"""Mistral's models by Mistral's own package, the extra `mistral`: vocabularies and chat format."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whichweights_plugins.tokenizers._byte_pair import accepted
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import NoSettings, ProviderContext, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Chat, RenderedChat, Tokenizer, TokenizerIdentity

_INSTALL = 'uv pip install "whichweights[mistral]"'


@dataclass(frozen=True)
class _Family:
    name: str
    version: str
    tekken: bool
    models: re.Pattern[str]
    example: str


_FAMILIES = tuple(
    _Family(name, version, tekken, re.compile(rf"mistralai/(?:{models})$", re.IGNORECASE), example)
    for name, version, tekken, models, example in (
        (
            "mistral-v1",
            "v1",
            False,
            r"mistral-7b-instruct-v0\.[12]|mixtral-8x7b-instruct-v0\.1",
            "mistralai/Mistral-7B-Instruct-v0.2",
        ),
        (
            "mistral-v3",
            "v3",
            False,
            r"mistral-7b-instruct-v0\.3|mixtral-8x22b-instruct-v0\.1|codestral-22b-v0\.1"
            r"|mistral-small-instruct-2409|mistral-large-instruct-2407",
            "mistralai/Mistral-7B-Instruct-v0.3",
        ),
        (
            "mistral-v3-tekken",
            "v3",
            True,
            r"mistral-nemo-instruct-2407",
            "mistralai/Mistral-Nemo-Instruct-2407",
        ),
        (
            "mistral-v7",
            "v7",
            False,
            r"mistral-large-instruct-2411",
            "mistralai/Mistral-Large-Instruct-2411",
        ),
    )
)
"""Which of the package's tokenizers a model takes: the model cards and the package's own table of
API names (mistral-common 1.13.1), read 2026-11. Later models bring their own tekken.json."""


class MistralTokenizers(TokenizerProvider[NoSettings]):
    """The models whose tokenizer the package carries; no request is made."""

    def __init__(self, context: ProviderContext[NoSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[str, MistralTokenizer] = {}
        self._loading = threading.Lock()

    async def available(self) -> str | None:
        needed = ("mistral_common", "sentencepiece")
        missing = [name for name in needed if not importlib.util.find_spec(name)]
        return f"the extra `mistral` is not installed: {_INSTALL}" if missing else None

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = (request.name if request.model is None else request.model.id).strip()
        for family in _FAMILIES:
            if name.lower() == family.name or family.models.match(name):
                return await self.run_blocking(self._tokenizer, family)
        return None

    async def known_names(self) -> Sequence[str]:
        return [name for family in _FAMILIES for name in (family.name, family.example)]

    def _tokenizer(self, family: _Family) -> Tokenizer:
        """Blocking: about a second the first time."""
        with self._loading:
            if family.name not in self._loaded:
                self._loaded[family.name] = MistralTokenizer(family)
            return self._loaded[family.name]


class MistralTokenizer(Tokenizer):
    """One of the package's tokenizers. Control tokens in text count as text."""

    def __init__(self, family: _Family) -> None:
        """Blocking: imports the package and reads the vocabulary."""
        # The package ships no types for its tokenizers' common base.
        from mistral_common.tokens.tokenizers.mistral import MistralTokenizer as Theirs

        make: Any = getattr(Theirs, family.version)
        self._whole: Any = make(is_tekken=True) if family.tekken else make()
        self._words: Any = self._whole.instruct_tokenizer.tokenizer
        version = importlib.metadata.version("mistral-common")
        source = f"mistral-common {version}"
        self.identity = TokenizerIdentity(
            name=family.name,
            source=source,
            vocabulary_size=int(self._words.n_words),
            evidence=Evidence(fields=("tokens",), basis="exact", source=f"{family.name}, {source}"),
        )

    def count(self, text: str) -> int:
        return len(self.encode(text))

    def encode(self, text: str) -> Sequence[int]:
        ids: list[int] = self._words.encode(accepted(text), bos=False, eos=False)
        return ids

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < int(self._words.n_words):
            raise KeyError(token)
        if hasattr(self._words, "id_to_byte_piece"):
            from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy

            piece: bytes = self._words.id_to_byte_piece(token, SpecialTokenPolicy.KEEP)
            return piece
        text = str(self._words.id_to_piece(token))
        if len(text) == 6 and text.startswith("<0x"):
            return bytes.fromhex(text[3:5])
        return text.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode()

    def count_chat(self, chat: Chat) -> RenderedChat:
        """Raises InvalidArgument for messages the format does not allow."""
        from mistral_common.exceptions import MistralCommonException
        from mistral_common.protocol.instruct.request import ChatCompletionRequest

        theirs: Any = ChatCompletionRequest
        try:
            request = theirs.from_openai(
                messages=[dict(message) for message in chat.messages],
                tools=[dict(tool) for tool in chat.tools] or None,
            )
            tokens: list[int] = self._whole.encode_chat_completion(request).tokens
        # pydantic's ValidationError is a ValueError
        except (MistralCommonException, ValueError, TypeError, KeyError) as error:
            raise InvalidArgument(
                f"mistral-common refuses these messages: {' '.join(str(error).split())[:200]}",
                field="messages",
                hint="begin with system or user and let the roles alternate",
            ) from None
        return RenderedChat(tokens=len(tokens), template=f"chat format of {self.identity.source}")
