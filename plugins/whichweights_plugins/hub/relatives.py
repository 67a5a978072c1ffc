"""What was made of a model, as the Hub's base_model tags tell it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from whichweights_plugins.hub.counting import count_weights
from whichweights_plugins.hub.facts import RepoFacts
from whichweights_schemas.models import ModelRelative

__all__ = ["FINETUNED", "QUANTIZED", "relatives_of"]

QUANTIZED: Final = "quantized"
FINETUNED: Final = "finetune"
_CONTAINERS: Final = ("gguf", "awq", "gptq", "mlx", "exl3", "exl2", "fp8", "nvfp4", "mxfp4", "bnb")
_GIB: Final = 2**30

_Relation = Literal["quantized", "base", "finetuned", "distilled"]


def relatives_of(
    repo: RepoFacts, quantized: Sequence[RepoFacts], finetuned: Sequence[RepoFacts]
) -> list[ModelRelative]:
    """Rows in the order of use: where it comes from, quantized copies, what was trained on it."""
    rows: dict[str, ModelRelative] = {}
    for relation, identifier in repo.base_models:
        note = f"this model is its {relation}" if relation else None
        rows[identifier] = ModelRelative(id=identifier, relation="base", note=note)
    for other in quantized:
        rows.setdefault(other.id, _row(other, "quantized"))
    for other in finetuned:
        distilled = "distill" in other.id.lower()
        rows.setdefault(other.id, _row(other, "distilled" if distilled else "finetuned"))
    rows.pop(repo.id, None)
    return list(rows.values())


def _row(repo: RepoFacts, relation: _Relation) -> ModelRelative:
    counted = count_weights(repo.counts, repo.config, None) if relation != "quantized" else None
    return ModelRelative(
        id=repo.id,
        relation=relation,
        parameters=counted.total if counted else None,
        note=", ".join(_told(repo)) or None,
        publisher=repo.id.partition("/")[0],
        downloads=repo.downloads,
    )


def _told(repo: RepoFacts) -> Iterator[str]:
    words = {*repo.tags, *repo.id.lower().replace("_", "-").split("-")}
    found = next((name for name in _CONTAINERS if name in words), None)
    if found is not None:
        yield found.upper()
    size = repo.gguf.get("totalFileSize")
    if isinstance(size, int) and size > 0:
        yield f"one file of {size / _GIB:.1f} GiB"
    elif repo.stored_bytes:
        yield f"{repo.stored_bytes / _GIB:.1f} GiB stored, all files and revisions"
    if repo.downloads is not None:
        yield f"{repo.downloads:,} downloads a month"
