"""OpenAI's encodings, exact and offline: tiktoken on vocabularies proved by their hash."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from whichweights_plugins.tokenizers import _harmony
from whichweights_plugins.tokenizers import _openai_names as names
from whichweights_plugins.tokenizers import _vocabulary as vocabulary
from whichweights_plugins.tokenizers._byte_pair import BytePairTokenizer
from whichweights_plugins.tokenizers._encodings import ENCODINGS, EncodingFacts
from whichweights_schemas._base import Settings
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.providers import ProviderContext, TokenizerProvider
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import (
    Chat,
    MessageRule,
    RenderedChat,
    Tokenizer,
    TokenizerIdentity,
)

if TYPE_CHECKING:  # tiktoken loads at the first question, not at import
    import tiktoken


class OpenAIEncodingsSettings(Settings):
    """`data_dir`: a folder with `<encoding>.tiktoken` files, plain or gzip, looked at first."""

    data_dir: str | None = None


class OpenAIEncodings(TokenizerProvider[OpenAIEncodingsSettings]):
    """Encodings by name and by OpenAI model. Raises NoTokenizer without the vocabulary."""

    settings_model = OpenAIEncodingsSettings

    def __init__(self, context: ProviderContext[OpenAIEncodingsSettings]) -> None:
        super().__init__(context)
        self._loaded: dict[str, tuple[tiktoken.Encoding, TokenizerIdentity]] = {}
        self._loading = threading.Lock()

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = request.name if request.model is None else request.model.id
        encoding = names.encoding_of(name)
        if encoding is None:
            return None
        rule = names.message_rule_of(name)
        if encoding in self._loaded:  # a thread costs more than it would do
            return self._tokenizer(ENCODINGS[encoding], rule)
        return await self.run_blocking(self._tokenizer, ENCODINGS[encoding], rule)

    async def known_names(self) -> Sequence[str]:
        return names.known_names()

    async def status(self) -> dict[str, str]:
        return {name: identity.source for name, (_, identity) in self._loaded.items()}

    async def warm(self) -> None:
        await self.run_blocking(self._tokenizer, ENCODINGS["o200k_base"], None)

    def _tokenizer(self, facts: EncodingFacts, rule: MessageRule | None) -> Tokenizer:
        """Blocking: 0.2 to 0.8 s the first time an encoding is asked for, nothing after."""
        if facts.name not in self._loaded:
            with self._loading:  # another one may be loading: a warm one does not wait for it
                if facts.name not in self._loaded:
                    places = vocabulary.places(facts, self.settings.data_dir)
                    self._loaded[facts.name] = _build(facts, vocabulary.load(facts, places))
        encoding, identity = self._loaded[facts.name]
        kind = HarmonyTokenizer if facts.name == "o200k_harmony" else BytePairTokenizer
        return kind(encoding, identity, rule)


class HarmonyTokenizer(BytePairTokenizer):
    """gpt-oss: chats in the harmony format, with today's date and medium reasoning effort."""

    def count_chat(self, chat: Chat) -> RenderedChat:
        """Raises NoTokenizer for tool calls, tool results and nested schemas."""
        tokens = sum(1 if mark else self.count(text) for mark, text in _harmony.pieces(chat))
        return RenderedChat(tokens=tokens, template=_harmony.SOURCE)


def _build(
    facts: EncodingFacts, words: vocabulary.Vocabulary
) -> tuple[tiktoken.Encoding, TokenizerIdentity]:
    import tiktoken

    encoding = tiktoken.Encoding(
        facts.name,
        pat_str=facts.pattern,
        mergeable_ranks=words.ranks,
        special_tokens=dict(facts.special_tokens),
    )
    identity = TokenizerIdentity(
        name=facts.name,
        source=words.source,
        sha256=facts.sha256,
        vocabulary_size=encoding.n_vocab,
        evidence=Evidence(
            fields=("tokens",), basis="exact", source=f"{facts.name}, {words.source}"
        ),
    )
    return encoding, identity
