"""Split patterns of the families' own tokenizers, which several providers apply.

Sources: tiktoken 0.14.0 (`tiktoken_ext/openai_public.py`), the families' tokenizer.json or
tokenizer code, mistral-common's tekken files; read 2026-11.
"""

from __future__ import annotations

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SLASH_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_KIMI_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_KIMI_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_OPENING = r"[^\r\n\p{L}\p{N}]?"

LLAMA3 = rf"{CONTRACTIONS}|{_OPENING}\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}"
QWEN2 = rf"{CONTRACTIONS}|{_OPENING}\p{{L}}+|\p{{N}}|{_TAIL}"
O200K = (
    rf"{_OPENING}{_UPPER}*{_LOWER}+{CONTRACTIONS}?|{_OPENING}{_UPPER}+{_LOWER}*{CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}|{_SLASH_TAIL}"
)
TEKKEN = rf"{_OPENING}{_UPPER}*{_LOWER}+|{_OPENING}{_UPPER}+{_LOWER}*|\p{{N}}|{_SLASH_TAIL}"
KIMI = (
    rf"[\p{{Han}}]+|{_OPENING}{_KIMI_UPPER}*{_KIMI_LOWER}+{CONTRACTIONS}?"
    rf"|{_OPENING}{_KIMI_UPPER}+{_KIMI_LOWER}*{CONTRACTIONS}?|\p{{N}}{{1,3}}|{_TAIL}"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
)
"""Applied one after the other."""
