"""Reading an engine's own version string, and the versions at which memory behaviour changed."""

from __future__ import annotations

import re
from typing import Final

from whichweights_schemas.deployment import Engine

__all__ = [
    "LLAMA_CPP_FEW_OUTPUTS",
    "LLAMA_CPP_FLASH_DEFAULT",
    "LLAMA_CPP_MLA",
    "LLAMA_CPP_MLA_KEYS_ONLY",
    "LLAMA_CPP_OVERRIDE_TENSOR",
    "LLAMA_CPP_STREAMS",
    "LLAMA_CPP_WINDOWS",
    "OLLAMA_WINDOWS",
    "TRANSFORMERS_CURRENT",
    "TRANSFORMERS_LAST_LOGITS",
    "TRANSFORMERS_LEAN_PREFILL",
    "TRANSFORMERS_WINDOWS",
    "VLLM_LEAN_SAMPLER",
    "VLLM_MORE_NON_TORCH",
    "VLLM_V1",
    "VLLM_V1_DEFAULT",
    "VLLM_WIDE_WARM_UP",
    "Version",
    "before",
    "before_build",
    "is_fork",
    "parse_version",
]

Version = tuple[int, ...]

# llama.cpp numbers its builds; a build between two dates is placed by about twelve builds a day
# (b7600 at the start of 2026, b9272 on 2026-05-22), so each bound is right to some dozens.
LLAMA_CPP_MLA: Final[Version] = (5140,)
"""Compressed MLA cache instead of full heads: llama.cpp PR 12801 (2025-04-15)."""

LLAMA_CPP_WINDOWS: Final[Version] = (5430,)
"""Window layers get a cache of their own: llama.cpp PR 13194 (2025-05-20)."""

LLAMA_CPP_OVERRIDE_TENSOR: Final[Version] = (5028,)
"""Experts can stay in system memory (-ot): llama.cpp PR 11397 (2025-04-02)."""

LLAMA_CPP_STREAMS: Final[Version] = (5910,)
"""Each sequence has cells of its own unless --kv-unified: llama.cpp PR 14363 (2025-07-16)."""

LLAMA_CPP_FLASH_DEFAULT: Final[Version] = (6325,)
"""Flash attention where the backend has it, without asking: llama.cpp PR 15434 (2025-08-30)."""

LLAMA_CPP_MLA_KEYS_ONLY: Final[Version] = (7840,)
"""MLA caches no separate V: llama.cpp PR 19067 (2026-01-25)."""

LLAMA_CPP_FEW_OUTPUTS: Final[Version] = (9440,)
"""Logits reserved for few outputs only: llama.cpp PR 23861 (after b9272, which still reserved all:
issue 23527 of 2026-05-22)."""

TRANSFORMERS_LAST_LOGITS: Final[Version] = (4, 45)
"""Prefill computes the last position's logits only (public tables: 4.38 does not, 4.46 does)."""

TRANSFORMERS_LEAN_PREFILL: Final[Version] = (4, 50)
"""Qwen's tables of 4.46 show four MLP widths at prefill, those of 4.51 hardly any."""

TRANSFORMERS_CURRENT: Final[Version] = (5,)
"""From here the prefill rule measured with 5.17.0 on one H100 (2026-11-27) holds, and an MLA model
caches its compressed rows; 4.x caches the keys and values of every head (its docs)."""

TRANSFORMERS_WINDOWS: Final[Version] = (4, 56)
"""The default cache caps window layers (transformers PR 40039, merged in August 2025)."""

VLLM_WIDE_WARM_UP: Final[Version] = (0, 9)
"""Large devices warm up with 1,024 sequences; before, all with 256 (logs of 0.6 to 0.11)."""

VLLM_V1_DEFAULT: Final[Version] = (0, 8)
"""From here prompts are prefilled in chunks of max_num_batched_tokens (the V1 engine by default);
before, a prompt of up to 32,768 tokens goes through at once."""

VLLM_V1: Final[Version] = (0, 11)
"""From here the activation line by vocabulary holds; older figures spread too widely for one."""

VLLM_LEAN_SAMPLER: Final[Version] = (0, 17)
"""Activation peak falls from 5.64 to 2.23 GiB on one model (llm-d-planner, 0.16 to 0.17)."""

VLLM_MORE_NON_TORCH: Final[Version] = (0, 18)
"""Non-torch memory rises from 0.13 to 0.25 GiB at one GPU, 0.55 to 2.1 at several."""

OLLAMA_WINDOWS: Final[Version] = (0, 6)
"""ollama's own engine, which came with Gemma 3 (March 2025), caps window layers before llama.cpp
did: parallel x window + batch cells (1.6 GiB printed for Gemma-3-27B at 8,192 and two slots)."""

_OLLAMA_BUILDS: Final[tuple[tuple[Version, int], ...]] = (
    ((0, 3), 3400),
    ((0, 5), 4300),
    ((0, 6), 4880),
    ((0, 9), 5550),
    ((0, 11), 6100),
    ((0, 12), 6500),
    ((0, 13), 7000),
)
"""llama.cpp build of about the date of an ollama release (0.3 July 2024 to 0.13 November 2025);
approximate, and nothing is assumed of later releases."""

_LAST_PLACED_OLLAMA: Final[Version] = (0, 14)

_DOTTED: Final = re.compile(r"\d{1,6}(?:\.\d{1,6})+")
_NUMBER: Final = re.compile(r"\d{1,9}")


def parse_version(text: str | None) -> Version | None:
    """The numbers of "b5200", "0.19.0", "4.51.3", "v0.11.0rc1"; None without any."""
    if not text:
        return None
    match = _DOTTED.search(text[:64]) or _NUMBER.search(text[:64])
    return tuple(int(number) for number in match[0].split(".")[:3]) if match else None


def before(text: str | None, bound: Version) -> bool:
    """True when a version is known and older than the bound. No version means a current one."""
    found = parse_version(text)
    return found is not None and found < bound


_FORK: Final = re.compile(r"\bik[_ .-]?llama", re.IGNORECASE)
_FORK_LACKS: Final = frozenset({LLAMA_CPP_WINDOWS, LLAMA_CPP_FEW_OUTPUTS, LLAMA_CPP_STREAMS})


def is_fork(text: str | None) -> bool:
    """True for "ik_llama.cpp 3712": a fork whose builds are numbered by another count."""
    return bool(text and _FORK.search(text[:64]))


def before_build(engine: Engine, text: str | None, bound: Version) -> bool:
    """True when llama.cpp, or the one inside an ollama release, is known to be older.

    An ollama release is placed by its date; one later than the table counts as current. The fork
    has compressed MLA caches and flash attention, and lacks what came to mainline alone.
    """
    if is_fork(text):
        return bound in _FORK_LACKS or bound == LLAMA_CPP_OVERRIDE_TENSOR
    found = parse_version(text)
    if found is None or engine != "ollama" or len(found) == 1:
        return before(text, bound)
    if found >= _LAST_PLACED_OLLAMA:
        return False
    build = max((build for release, build in _OLLAMA_BUILDS if release <= found), default=0)
    return (build,) < bound
