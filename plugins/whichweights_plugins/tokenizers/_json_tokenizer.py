"""Exact counts by Hugging Face's `tokenizers`, and a tokenizer.json with its chat template."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from whichweights_plugins.tokenizers._byte_pair import accepted
from whichweights_plugins.tokenizers.chat_templates import ChatTemplate
from whichweights_schemas.errors import ProviderFailed
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.tokenizing import Chat, RenderedChat, Tokenizer, TokenizerIdentity

if TYPE_CHECKING:  # it loads at the first question, not at import
    import tokenizers

_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
_PROBE = "a"


@dataclass(frozen=True)
class TokenizerFiles:
    """The files of one tokenizer as they are stored; `source` says where."""

    name: str
    source: str
    tokenizer: bytes
    config: bytes | None = None
    template: bytes | None = None


class LibraryTokenizer(Tokenizer):
    """A tokenizer of the library `tokenizers`. Counts contents without BOS and EOS around them.

    Special-token text counts as text; added tokens that are not special are found in text, as the
    model's tokenizer does. `encode_batch_fast` is used because it releases the GIL.
    """

    def __init__(
        self,
        made: tokenizers.Tokenizer,
        identity: TokenizerIdentity,
        *,
        byte_level: bool,
        bos: str | None = None,
        templates: Mapping[str, ChatTemplate] | None = None,
    ) -> None:
        made.no_truncation()
        made.no_padding()
        self.identity = identity
        self._tokenizer = made
        self._bos = bos
        self._templates = dict(templates or {})
        self._byte_level = byte_level
        self._mode = threading.Lock()
        self._wrapping = made.num_special_tokens_to_add(False)
        if self._wrapping:
            self.notes = (
                f"{identity.name}: a bare completion request adds {self._wrapping} special "
                "token(s), not counted here",
            )

    def count(self, text: str) -> int:
        return len(self._encoded(accepted(text), as_text=True))

    def encode(self, text: str) -> Sequence[int]:
        return self._encoded(accepted(text), as_text=True).ids

    def token_bytes(self, token: int) -> bytes:
        try:
            piece = self._tokenizer.id_to_token(token)
        except OverflowError:
            piece = None
        if piece is None:
            raise KeyError(token)
        if self._byte_level:
            return _from_byte_alphabet(piece)
        if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            return bytes.fromhex(piece[3:5])
        return piece.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode()

    def count_chat(self, chat: Chat) -> RenderedChat | None:
        template = self._template_for(chat)
        if template is None:
            return None
        text = template.render(chat)
        tokens = len(self._encoded(accepted(text), as_text=False))
        return RenderedChat(
            tokens=tokens, template=template.source, notes=self._doubled(text, tokens)
        )

    def _template_for(self, chat: Chat) -> ChatTemplate | None:
        wanted = ("tool_use", "default") if chat.tools else ("default",)
        return next((self._templates[n] for n in wanted if n in self._templates), None)

    def _doubled(self, text: str, tokens: int) -> tuple[str, ...]:
        """A BOS in the template and another from the tokenizer: a common mistake of callers."""
        bos = self._bos
        if not bos or not text.startswith(bos):
            return ()
        probe = self._tokenizer.encode_batch_fast([_PROBE], add_special_tokens=True)[0].ids
        if not probe or probe[0] != self._tokenizer.token_to_id(bos):
            return ()
        return (
            f"{self.identity.name}: the template writes {bos} itself; who tokenizes the rendered "
            f"text with special tokens on doubles it ({tokens + self._wrapping:,} tokens)",
        )

    def _encoded(self, text: str, *, as_text: bool) -> tokenizers.Encoding:
        with self._mode:  # the mode is a property of the shared tokenizer
            self._tokenizer.encode_special_tokens = as_text
            try:
                return self._tokenizer.encode_batch_fast([text], add_special_tokens=False)[0]
            except BaseException as error:
                if isinstance(error, Exception) or type(error).__module__ != "pyo3_runtime":
                    raise
                raise ProviderFailed(
                    f"the tokenizer of {self.identity.name} cannot encode this text ({error})",
                    field="text",
                ) from error


def identity_of(
    kind: str, name: str, source: str, sha256: str, vocabulary_size: int
) -> TokenizerIdentity:
    """Who counts; `kind` = what was read, `source` = where it lies."""
    return TokenizerIdentity(
        name=name,
        source=source,
        sha256=sha256,
        vocabulary_size=vocabulary_size,
        evidence=Evidence(
            fields=("tokens",),
            basis="exact",
            source=f"{kind} of {name}, {source}",
            note=f"sha256 {sha256[:12]}",
        ),
    )


class JsonTokenizer(LibraryTokenizer):
    """The model's own tokenizer, from its tokenizer.json."""

    def __init__(self, files: TokenizerFiles) -> None:
        """Blocking. Raises ProviderFailed when the file is no tokenizer."""
        import tokenizers

        try:
            made = tokenizers.Tokenizer.from_buffer(files.tokenizer)
        except Exception as error:  # the library raises bare Exception for every malformed file
            raise ProviderFailed(
                f"the tokenizer.json of {files.name} cannot be read: {str(error)[:200]}"
            ) from error
        config = _object(files.config)
        super().__init__(
            made,
            identity_of(
                "tokenizer.json",
                files.name,
                files.source,
                hashlib.sha256(files.tokenizer).hexdigest(),
                made.get_vocab_size(),
            ),
            byte_level=b'"ByteLevel"' in files.tokenizer,
            bos=_token_text(config.get("bos_token")),
            templates=_templates(files, config),
        )


def _templates(files: TokenizerFiles, config: Mapping[str, Any]) -> dict[str, ChatTemplate]:
    special = {name: _token_text(config.get(name)) or "" for name in _SPECIAL if config.get(name)}

    def template(text: str, place: str) -> ChatTemplate:
        return ChatTemplate(text, f"{place} of {files.name}", special_tokens=special)

    if files.template is not None:
        text = files.template.decode("utf-8", "replace")
        return {"default": template(text, "chat_template.jinja")}
    given = config.get("chat_template")
    place = "the chat template"
    if isinstance(given, str):
        return {"default": template(given, place)}
    found: dict[str, ChatTemplate] = {}
    for row in cast("list[Any]", given) if isinstance(given, list) else []:
        if isinstance(row, dict):
            entry = cast("dict[str, object]", row)
            name, text = entry.get("name"), entry.get("template")
            if isinstance(name, str) and isinstance(text, str):
                found[name] = template(text, place)
    return found


def _token_text(value: object) -> str | None:
    """A special token, given as its text or as an object with `content`."""
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("content")
    return value if isinstance(value, str) else None


def _object(content: bytes | None) -> dict[str, Any]:
    try:
        value: object = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins of the 256 bytes: Latin-1's printable ones, then U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    alphabet = {chr(byte): byte for byte in printable}
    return alphabet | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_ALPHABET = _byte_alphabet()


def _from_byte_alphabet(piece: str) -> bytes:
    try:
        return bytes(_ALPHABET[character] for character in piece)
    except KeyError:  # an added token, written as it is
        return piece.encode()
