"""Which family a model belongs to: what is split when a fit is checked."""

from __future__ import annotations

from typing import Final

_FAMILIES: Final = (
    ("distill-llama", "llama"),
    ("distill-qwen", "qwen"),
    ("kimi-dev", "qwen"),
    ("nemotron", "nemotron"),
    ("codellama", "llama"),
    ("llama", "llama"),
    ("qwen", "qwen"),
    ("qwq", "qwen"),
    ("gemma", "gemma"),
    ("deepseek", "deepseek"),
    ("kimi", "kimi"),
    ("gpt-oss", "gpt-oss"),
    ("granite", "granite"),
    ("phi", "phi"),
    ("mixtral", "mistral"),
    ("mistral", "mistral"),
    ("minimax", "minimax"),
    ("glm", "glm"),
    ("falcon", "falcon"),
    ("opt-", "opt"),
    ("minilm", "bert"),
    ("hermes", "llama"),
    ("wizard", "llama"),
    ("vicuna", "llama"),
)
"""Part of a name and its family; the first one counts: a distillate has the shape of its base."""


def family_of(model: str) -> str:
    """The family of a model by its name; the name itself where none is known."""
    name = model.lower()
    return next((family for part, family in _FAMILIES if part in name), name)
