"""One name, version and set of skills for each benchmark the raw tables spell in several ways."""

from __future__ import annotations

import re
from dataclasses import dataclass

from whichweights_plugins.knowledge._tables import Row

_ARENA = "LMArena text, style control: "
_ARENA_PARTS = {
    "full": ("LMArena text", "chat"),
    "hard_6": ("LMArena text: hard prompts", "chat"),
    "if": ("LMArena text: instruction following", "chat"),
    "multiturn": ("LMArena text: multi-turn", "chat"),
    "long_user": ("LMArena text: longer query", "chat"),
    "coding": ("LMArena text: coding", "coding"),
    "math": ("LMArena text: math", "math"),
}
_ARENA_VERSION = "style control"

_SKILLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("BFCL", ("agentic",)),
    ("tau", ("agentic",)),
    ("SWE-bench", ("agentic", "coding")),
    ("Terminal-Bench", ("agentic",)),
    ("ACEBench", ("agentic",)),
    ("BrowseComp", ("agentic",)),
    ("LiveCodeBench", ("coding",)),
    ("HumanEval", ("coding",)),
    ("Aider", ("coding",)),
    ("AIME", ("math", "reasoning")),
    ("MT-AIME", ("math", "reasoning")),
    ("MATH", ("math",)),
    ("MGSM", ("math",)),
    ("PolyMath", ("math", "reasoning")),
    ("GPQA", ("reasoning", "knowledge")),
    ("MLogiQA", ("reasoning",)),
    ("LiveBench", ("reasoning",)),
    ("MMMLU", ("knowledge",)),
    ("MMLU", ("knowledge",)),
    ("Global-MMLU", ("knowledge",)),
    ("INCLUDE", ("knowledge",)),
    ("Arena-Hard", ("chat",)),
    ("IFEval", ("chat",)),
    ("Multi-IF", ("chat",)),
)
"""First letters of a benchmark's name → what it says something about, most of all first."""

_BFCL = re.compile(r"BFCL[- ]?(v\d)?", re.IGNORECASE)
_TAU = re.compile(r"TAU-bench (Retail|Airline|Telecom)", re.IGNORECASE)
_TAU2 = re.compile(r"Tau2 (retail|airline|telecom)", re.IGNORECASE)
_VERSIONED = re.compile(r"(LiveCodeBench|LiveBench|AIME|Terminal-Bench) (v?\d[\d-]*)")


@dataclass(frozen=True)
class Benchmark:
    """What a score was measured on; `version` matters: versions are different scales."""

    name: str
    version: str | None
    skills: tuple[str, ...]


def benchmark(raw: Row) -> Benchmark:
    """The benchmark of a raw score row. Raises ValueError for one that has no skill yet."""
    if raw["benchmark"].startswith(_ARENA):
        name, skill = _ARENA_PARTS[raw["benchmark"].removeprefix(_ARENA)]
        return Benchmark(name, _ARENA_VERSION, (skill,))
    name, version = _name_and_version(raw)
    for beginning, skills in _SKILLS:
        if name.startswith(beginning):
            return Benchmark(name, version, skills)
    raise ValueError(f"no skill for benchmark {name!r}")


def _name_and_version(raw: Row) -> tuple[str, str | None]:
    name: str = raw["benchmark"]
    version: str | None = raw.get("version")
    part: str | None = raw.get("sub")
    if match := _BFCL.fullmatch(name):
        metric = raw.get("metric")
        version = version or match[1] or (metric if metric in ("v1", "v2", "v3", "v4") else None)
        return f"BFCL {part or 'overall'}", version
    if match := _TAU.fullmatch(name):
        return f"tau-bench {match[1].lower()}", version
    if match := _TAU2.fullmatch(name):
        return f"tau2-bench {match[1].lower()}", version
    if version == "original tau-bench":
        return f"tau-bench {part}", None
    if match := _VERSIONED.fullmatch(name):
        return match[1], match[2]
    name = {
        "SWE-Bench Verified": "SWE-bench Verified",
        "SWE-bench Verified (Agentic Coding)": "SWE-bench Verified",
        "AceBench": "ACEBench overall",
        "GPQA-Diamond": "GPQA Diamond",
        "Arena Hard": "Arena-Hard",
    }.get(name, name)
    if part:
        name = f"{name} {part}"
    return name, version.removeprefix("v") if version and version[1:2].isdigit() else version
