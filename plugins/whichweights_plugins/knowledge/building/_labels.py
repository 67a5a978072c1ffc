"""Names under which benchmarks list a model → its repository id, where only one can be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from whichweights_plugins.knowledge._lineage import canonical
from whichweights_plugins.knowledge.building._builder import read_jsonl

_KNOWN = {
    "kimi k2 0711 preview": "moonshotai/Kimi-K2-Instruct",
    "kimi k2 0905 preview": "moonshotai/Kimi-K2-Instruct-0905",
    "kimi k2 0905": "moonshotai/Kimi-K2-Instruct-0905",
    "command r": "CohereLabs/c4ai-command-r-v01",
    "command r 08 2024": "CohereLabs/c4ai-command-r-08-2024",
    "command r plus": "CohereLabs/c4ai-command-r-plus",
    "command a 03 2025": "CohereLabs/c4ai-command-a-03-2025",
    "c4ai aya expanse 8b": "CohereLabs/aya-expanse-8b",
    "c4ai aya expanse 32b": "CohereLabs/aya-expanse-32b",
    "llama 3 8b instruct": "meta-llama/Meta-Llama-3-8B-Instruct",
    "llama 3 70b instruct": "meta-llama/Meta-Llama-3-70B-Instruct",
    "llama 3.3 nemotron super 49b v1.5": "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
    "ministral 8b 2410": "mistralai/Ministral-8B-Instruct-2410",
    "mistral large 2": "mistralai/Mistral-Large-Instruct-2407",
    "mistral large 2407": "mistralai/Mistral-Large-Instruct-2407",
    "mistral small 2506": "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "gemma 3 4b": "google/gemma-3-4b-it",
    "gemma 3 12b": "google/gemma-3-12b-it",
    "gemma 3 27b": "google/gemma-3-27b-it",
    "llama 3.1 8b": "meta-llama/Llama-3.1-8B-Instruct",
    "llama 3.1 70b": "meta-llama/Llama-3.1-70B-Instruct",
    "llama 3.1 405b": "meta-llama/Llama-3.1-405B-Instruct",
    "llama 3.3 70b": "meta-llama/Llama-3.3-70B-Instruct",
    "llama 4 scout": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "llama 4 maverick": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
}
"""Leaderboard names that differ from the repository's; each names one release only."""

_ENDING = re.compile(r" \((fc|prompt)\)$| (bf16|fp8)$|^nvidia ", re.IGNORECASE)
_MODE = re.compile(r"[ -](no-thinking|thinking)$")


class Labels:
    """Turns a benchmark's name of a model into the id its rows are keyed by."""

    def __init__(self, repositories: Iterable[str]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_name: dict[str, str | None] = {}
        for repository in repositories:
            self._by_id[canonical(repository)] = repository
            name = _plain(repository.rsplit("/", 1)[-1]).removesuffix(" hf")
            self._by_name[name] = None if name in self._by_name else repository

    @classmethod
    def of(cls, facts: Path) -> Labels:
        """From the table of open-weight models."""
        return cls(row["repo_id"] for row in read_jsonl(facts / "models.jsonl"))

    def resolve(self, label: str) -> tuple[str, str | None]:
        """The repository id (the label itself when none is certain) and a thinking mode in it."""
        found = self.repository(label)
        if found is not None:
            return found, None
        mode = _MODE.search(label.lower())
        if mode:
            found = self.repository(label[: mode.start()])
            if found is not None:
                return found, mode[1]
        return _ENDING.sub("", label), None

    def repository(self, label: str) -> str | None:
        """The repository that a label names, None when none is certain."""
        if canonical(label) in self._by_id:
            return self._by_id[canonical(label)]
        owner, _, name = label.rpartition("/")
        if owner and owner != "moonshotai":
            return None
        plain = _ENDING.sub("", _ENDING.sub("", _plain(name)))
        return _KNOWN.get(plain) or self._by_name.get(plain)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.lower())
