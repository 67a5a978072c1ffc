"""What a tokenizer provider hands out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Evidence


class TokenizerIdentity(Shape):
    """Which vocabulary: its name, where it came from and the sha256 that proves it."""

    name: str
    source: str
    sha256: str | None = None
    vocabulary_size: int | None = None
    evidence: Evidence


class MessageRule(Shape):
    """A documented overhead rule for chat messages, and the families it was documented for.

    `carried_over`: the model is a later one of the same encoding, for which nobody documented it.
    """

    per_message: int
    per_name: int
    reply: int
    per_tool: int | None = None
    documented_for: tuple[str, ...]
    source: str
    carried_over: bool = False


class Chat(Shape):
    """Messages and tools in the form of the OpenAI API, as a chat template takes them."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    add_generation_prompt: bool = True


class RenderedChat(Shape):
    """A chat as the model reads it. `notes` are for the user."""

    tokens: int
    template: str
    notes: tuple[str, ...] = ()


class RemoteCount(Shape):
    """What a vendor's own endpoint counted. `source` names the endpoint."""

    tokens: int
    source: str
    notes: tuple[str, ...] = ()


class Tokenizer(ABC):
    """Counts text exactly. Blocking: callers run it in a worker thread."""

    identity: TokenizerIdentity
    message_rule: MessageRule | None = None
    notes: tuple[str, ...] = ()

    @abstractmethod
    def count(self, text: str) -> int:
        """Number of tokens of the text, special-token text counted as text."""

    @abstractmethod
    def encode(self, text: str) -> Sequence[int]:
        """Token ids of the text."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """The bytes one token stands for. Raises KeyError for an id outside the vocabulary."""

    def count_chat(self, chat: Chat) -> RenderedChat | None:
        """Tokens of the chat in the model's own template; None where no template is at hand.

        Raises InvalidArgument when the template refuses the messages.
        """
        return None
