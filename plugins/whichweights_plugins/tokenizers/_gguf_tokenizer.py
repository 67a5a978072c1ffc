"""The vocabulary of a GGUF file as a tokenizer: what llama.cpp does, run by `tokenizers`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from whichweights_plugins.formats.gguf_vocabulary import (
    BYTE,
    CONTROL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    GgufVocabulary,
)
from whichweights_plugins.tokenizers._gguf_merges import merges_by_score
from whichweights_plugins.tokenizers._gguf_splits import SPLITS, Split
from whichweights_plugins.tokenizers._json_tokenizer import LibraryTokenizer, identity_of
from whichweights_plugins.tokenizers.chat_templates import ChatTemplate
from whichweights_schemas.errors import NoTokenizer, ProviderFailed

if TYPE_CHECKING:  # it loads at the first question, not at import
    import tokenizers

_MARK: Final = "\N{LOWER ONE EIGHTH BLOCK}"
_WAY_OUT: Final = "name the repository of the original model, or a folder with its tokenizer.json"
_SPECIAL: Final = {
    "bos": "bos_token",
    "eos": "eos_token",
    "unknown": "unk_token",
    "padding": "pad_token",
}


def tokenizer_of(vocabulary: GgufVocabulary, name: str, source: str) -> LibraryTokenizer:
    """The tokenizer with the file's chat templates. Blocking: about 3 s for 262,144 pieces.

    As llama.cpp does, nothing is normalised first (the maker's tokenizer of Qwen composes letters
    and accents). Raises NoTokenizer for algorithms and splits that were not verified, and
    ProviderFailed for a vocabulary that makes no sense.
    """
    if vocabulary.model not in ("gpt2", "llama"):
        raise _refused(
            f"{name} has a vocabulary of the kind {vocabulary.model[:40]!r}; gpt2 and llama are "
            "counted from GGUF files"
        )
    split = _split_of(vocabulary, name) if vocabulary.model == "gpt2" else None
    try:
        made = _sentence_pieces(vocabulary, name) if split is None else _bytes(vocabulary, split)
        _dress(made, vocabulary, split)
    except NoTokenizer:
        raise
    except Exception as error:  # the library raises bare Exception for merges of unknown pieces
        raise ProviderFailed(
            f"the vocabulary inside {name} cannot be used: {str(error)[:200]}"
        ) from error
    special = {known: token for key, known in _SPECIAL.items() if (token := vocabulary.token(key))}
    templates = {
        key: ChatTemplate(text, f"the chat template inside {name}", special_tokens=special)
        for key, text in vocabulary.templates.items()
    }
    kind = f"the vocabulary ({vocabulary.pre or vocabulary.model})"
    return LibraryTokenizer(
        made,
        identity_of(kind, name, source, _digest(vocabulary), len(vocabulary.tokens)),
        byte_level=split is not None,
        bos=vocabulary.token("bos"),
        templates=templates,
    )


def _split_of(vocabulary: GgufVocabulary, name: str) -> Split:
    split = SPLITS.get(vocabulary.pre)
    if split is None:
        named = f"the pre-tokenizer {vocabulary.pre[:40]!r}" if vocabulary.pre else "none"
        raise _refused(
            f"{name} names {named}: how it splits text was not verified here, and another split "
            "would count something else"
        )
    if not vocabulary.merges:
        raise _refused(f"{name} holds no merges")
    return split


def _bytes(vocabulary: GgufVocabulary, split: Split) -> tokenizers.Tokenizer:
    """Byte-pair encoding over the 256 bytes, in the order of the file's merges."""
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    merges = [_pair(merge) for merge in vocabulary.merges]
    model = models.BPE(vocab=_pieces(vocabulary), merges=merges, ignore_merges=split.whole_words)
    made = tokenizers.Tokenizer(model)
    steps: list[Any] = [
        pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in split.patterns
    ]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    made.pre_tokenizer = pre_tokenizers.Sequence(steps)
    made.decoder = decoders.ByteLevel()
    return made


def _pair(merge: str) -> tuple[str, str]:
    """The two sides; the first may itself be a blank (llama.cpp's rule)."""
    place = merge.find(" ", 1)
    return merge[:place], merge[place + 1 :]


def _sentence_pieces(vocabulary: GgufVocabulary, name: str) -> tokenizers.Tokenizer:
    """SentencePiece's byte-pair encoding: the pair whose joint piece scores best goes first."""
    import tokenizers
    from tokenizers import models, normalizers

    merges = merges_by_score(vocabulary)
    if merges is None:
        raise _refused(f"the scores of the pieces of {name} leave open which are joined first")
    unknown = vocabulary.token("unknown")
    model = models.BPE(
        vocab=_pieces(vocabulary),
        merges=merges,
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=BYTE in vocabulary.kinds,
    )
    made = tokenizers.Tokenizer(model)
    steps: list[Any] = [normalizers.Replace(" ", _MARK)]
    if vocabulary.flags.get("add_space_prefix", True):
        steps.insert(0, normalizers.Prepend(_MARK))
    made.normalizer = normalizers.Sequence(steps)
    return made


def _pieces(vocabulary: GgufVocabulary) -> dict[str, int]:
    """Pieces by text. A filler may repeat a text; of others the first counts, as in llama.cpp."""
    pieces: dict[str, int] = {}
    for place, token in enumerate(vocabulary.tokens):
        if token and (vocabulary.kinds[place] != UNUSED or token not in pieces):
            pieces.setdefault(token, place)
    return pieces


def _dress(made: Any, vocabulary: GgufVocabulary, split: Split | None) -> None:
    """Added tokens, and the BOS and EOS a bare request is wrapped in (the file's word, else
    llama.cpp's default).
    """
    import tokenizers
    from tokenizers import processors

    found: dict[bool, list[Any]] = {True: [], False: []}
    for token, kind in zip(vocabulary.tokens, vocabulary.kinds, strict=True):
        if token and kind in (CONTROL, UNKNOWN, USER_DEFINED):
            special = kind != USER_DEFINED
            added = tokenizers.AddedToken(token, normalized=False, special=special)
            found[special].append(added)
    made.add_special_tokens(found[True])
    made.add_tokens(found[False])
    starts = split is None or split.whole_words
    bos = vocabulary.token("bos") if vocabulary.flags.get("add_bos_token", starts) else None
    eos = vocabulary.token("eos") if vocabulary.flags.get("add_eos_token", False) else None
    around = [token for token in (bos, eos) if token]
    if around:
        made.post_processor = processors.TemplateProcessing(
            single=[*([bos] if bos else []), "$A", *([eos] if eos else [])],
            special_tokens=[
                (token, vocabulary.tokens.index(token)) for token in dict.fromkeys(around)
            ],
        )


def _digest(vocabulary: GgufVocabulary) -> str:
    """Of what decides the ids: names, pieces, kinds, scores and merges."""
    digest = hashlib.sha256(f"{vocabulary.model}\0{vocabulary.pre}\0".encode())
    for texts in (vocabulary.tokens, vocabulary.merges):
        digest.update("\0".join(texts).encode("utf-8", "replace"))
        digest.update(b"\1")
    digest.update(repr((vocabulary.kinds, vocabulary.scores)).encode())
    return digest.hexdigest()


def _refused(message: str) -> NoTokenizer:
    return NoTokenizer(message, field="models", hint=_WAY_OUT)
