"""The measured cases, and the catalogue model each of them is about."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from whichweights_plugins.knowledge.models import CatalogueProvider
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import NoSettings, ProviderContext
from whichweights_schemas.requests import FindModel

CASES = Path(__file__).parent / "data" / "memory_cases.jsonl.gz"

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One published measurement: what was run (`row`) and what came out (`measured`, MiB)."""

    row: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.row["kind"]

    @property
    def source(self) -> str:
        return self.row["source"]

    @property
    def excluded(self) -> bool:
        """The collector found the row unfit for judging; it stays in the data, with its reason."""
        return "excluded" in self.row

    @property
    def measured(self) -> dict[str, Any]:
        return self.row["measured"]

    def get(self, name: str, default: Any = None) -> Any:
        return self.row.get(name, default)


def load_cases(path: Path = CASES) -> list[Case]:
    """Every case of the file, excluded ones too."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [Case(json.loads(line)) for line in lines]


class Matcher:
    """Finds the catalogue's model of a case: by `base`, else by the name that was printed.

    Only the model itself counts, or the original of a quantized copy: a case about a model that
    merely resembles one of the catalogue stays unmatched.
    """

    def __init__(self) -> None:
        context = ProviderContext("catalogue", NoSettings(), run_at_once)
        self._provider = CatalogueProvider(context)

    async def spec(self, case: Case) -> ModelSpec | None:
        name = case.get("base") or case.get("model")
        if not name:
            return None
        refs = await self._provider.find(FindModel(query=name))
        ref = _same_model(refs)
        return None if ref is None else await self._provider.spec(ref)


def _same_model(refs: Sequence[ModelRef]) -> ModelRef | None:
    for ref in refs:
        if ref.match in ("id", "alias"):
            return ref
    copies = [ref for ref in refs if ref.match == "partial" and "original" in (ref.note or "")]
    return copies[0] if len(copies) == 1 else None


async def run_at_once(function: Callable[..., T], /, *args: Any) -> T:
    """Runs a provider's blocking work in place: nothing else waits here."""
    return function(*args)
