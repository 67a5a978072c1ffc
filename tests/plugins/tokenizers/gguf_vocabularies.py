"""Real vocabularies of packages, written into GGUF files by the gguf package."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers

gguf: Any = importlib.import_module("gguf")  # the package has no complete types
splintr: Any = importlib.import_module("splintr")
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
SHOWN = {
    **{byte: chr(byte) for byte in _PRINTABLE},
    **{byte: chr(0x100 + place) for place, byte in enumerate(_OTHERS)},
}
assert set(SHOWN.values()) == set(pre_tokenizers.ByteLevel.alphabet())


def ranks(name: str, count: int, start: int = 0) -> dict[bytes, int]:
    """The first `count` pieces of a vocabulary: by itself a byte-pair vocabulary too."""
    store = splintr.Tokenizer.from_pretrained(name)
    return {store.decode_token_bytes(start + rank): rank for rank in range(count)}


def shown(token: bytes) -> str:
    return "".join(SHOWN[byte] for byte in token)


def merges(of: Mapping[bytes, int]) -> list[str]:
    """Every pair that makes a piece, as conversions of rank files to tokenizer.json list them."""
    found: list[str] = []
    for token in of:
        ways = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [way for way in ways if way[0] in of and way[1] in of]
        known.sort(key=lambda way: (of[way[0]], of[way[1]]))
        found += [f"{shown(left)} {shown(right)}" for left, right in known]
    return found


def write(
    path: Path,
    tokens: Sequence[str | bytes],
    kinds: Sequence[int],
    *,
    model: str = "gpt2",
    pre: str | None = None,
    merges: Sequence[str] = (),
    scores: Sequence[float] = (),
    more: Callable[[Any], None] | None = None,
) -> Path:
    """A file with a vocabulary and nothing else."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(tokens))
    writer.add_token_types(list(kinds))
    if merges:
        writer.add_token_merges(list(merges))
    if scores:
        writer.add_token_scores(list(scores))
    if more:
        more(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_ranks(path: Path, of: Mapping[bytes, int], pre: str, **more: Any) -> Path:
    """A byte-level vocabulary with three added tokens behind it."""
    tokens = [*map(shown, of), "<|bos|>", "<think>", "[PAD1]"]
    kinds = [*([NORMAL] * len(of)), CONTROL, USER_DEFINED, UNUSED]
    return write(path, tokens, kinds, pre=pre, merges=merges(of), **more)


def write_sentence_pieces(path: Path, model: Any) -> Path:
    """A vocabulary of the sentencepiece library with its scores and kinds, as converters do."""
    tokens: list[str] = []
    kinds: list[int] = []
    for place in range(model.vocab_size()):
        tokens.append(model.id_to_piece(place))
        marks = (model.is_unknown, model.is_control, model.is_unused, model.is_byte)
        found = [k for k, is_one in zip((2, 3, 5, 6), marks, strict=True) if is_one(place)]
        kinds.append(found[0] if found else NORMAL)
    scores = [float(model.get_score(place)) for place in range(len(tokens))]
    return write(path, tokens, kinds, model="llama", scores=scores)
