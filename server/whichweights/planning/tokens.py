"""Arithmetic around a token count: words, message overhead, pieces that can be shown."""

from __future__ import annotations

from whichweights_schemas.tokenizing import MessageRule, Tokenizer


def words_of(text: str) -> int:
    """Number of words as white space separates them; scripts without it count as few words."""
    return len(text.split())


def message_overhead(rule: MessageRule, *, messages: int, named: int) -> int:
    """Tokens a chat adds to contents, roles and names under a documented rule; 0 messages add 0."""
    if not messages:
        return 0
    return rule.per_message * messages + rule.per_name * named + rule.reply


def show_pieces(tokenizer: Tokenizer, text: str, limit: int) -> tuple[str, ...]:
    r"""The first `limit` tokens as text; bytes that are no UTF-8 by themselves as `\xNN`."""
    ids = list(tokenizer.encode(text))[:limit]
    return tuple(tokenizer.token_bytes(token).decode("utf-8", "backslashreplace") for token in ids)
