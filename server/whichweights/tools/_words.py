"""Names of facts as a reader knows them; the structured answer keeps the names of the fields."""

from __future__ import annotations

from collections.abc import Iterable

_WORDS = {
    "native": "own weight format",
    "blocks": "shape of the layers",
    "layout": "order of the layers",
    "tied_embeddings": "shared embeddings",
    "max_context_tokens": "window",
    "extended_context_tokens": "extended window",
    "parameters": "parameter count",
    "parameters.total": "parameter count",
    "parameters.active": "active parameters",
    "tool_use": "tool use",
    "input_modalities": "input kinds",
    "license": "licence",
    "tokenizer_family": "tokenizer",
    "max_output_tokens": "longest output",
    "open_weights": "whether its weights are open",
    "total_bytes": "memory size",
    "total_gib": "memory size",
    "free_gib": "free memory",
    "used_gib": "used memory",
    "marketing_gb": "advertised memory size",
    "memory_options_gb": "sizes it is sold with",
    "memory_bandwidth_bytes_per_second": "memory bandwidth",
    "memory_bandwidth_gb_s": "memory bandwidth",
    "fp16_tflops": "16-bit speed",
    "tdp_watts": "power limit",
    "aliases": "other names",
}


def in_words(names: Iterable[str]) -> str:
    """The facts in plain words, each once, in their order."""
    words = (_WORDS.get(name, name.replace("_", " ").replace(".", " ")) for name in names)
    return ", ".join(dict.fromkeys(words))
