"""Which pieces of a SentencePiece vocabulary are joined, in which order."""

from __future__ import annotations

from whichweights_plugins.formats.gguf_vocabulary import (
    BYTE,
    CONTROL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    GgufVocabulary,
)

_NEVER_JOINED = frozenset((UNKNOWN, CONTROL, UNUSED, BYTE))


def merges_by_score(vocabulary: GgufVocabulary) -> list[tuple[str, str]] | None:
    """Every way two pieces make a third, the third with the best score first.

    Pieces the author defined all score the same, and in Llama 2 and Mistral runs of blanks do.
    Among such the longer goes first, which grows a run from its left end as SentencePiece does.
    None where scores are missing, or where other learnt pieces share one.
    """
    if not vocabulary.scores:
        return None
    places = {
        token: place
        for place, token in enumerate(vocabulary.tokens)
        if vocabulary.kinds[place] not in _NEVER_JOINED
    }
    by_score: dict[float, list[tuple[str, str]]] = {}
    learnt: dict[float, str] = {}
    for token, place in places.items():
        ways = [
            (token[:cut], token[cut:])
            for cut in range(len(token) - 1, 0, -1)
            if token[:cut] in places and token[cut:] in places
        ]
        if not ways:
            continue
        score = vocabulary.scores[place]
        by_score.setdefault(score, []).extend(ways)
        is_learnt = vocabulary.kinds[place] != USER_DEFINED
        if is_learnt and not _is_run(learnt.setdefault(score, token), token):
            return None
    return [
        way
        for score in sorted(by_score, reverse=True)
        for way in sorted(by_score[score], key=_lengths, reverse=True)
    ]


def _is_run(first: str, token: str) -> bool:
    """Whether pieces of one score may be told apart by length: the same, or one letter repeated."""
    return first == token or set(first) == set(token) == {token[0]}


def _lengths(way: tuple[str, str]) -> tuple[int, int]:
    return len(way[0]), len(way[1])
