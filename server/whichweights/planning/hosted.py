"""Which hosted models to set beside the open ones: by published score, else by price."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from whichweights.planning.ability import line_of
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.languages import ModelScore
from whichweights_schemas.tools.recommend_model import Requirement, Task

__all__ = ["Hosted", "HostedWishes", "choose_hosted", "usd_per_day"]

_WORD = re.compile(r"[a-z]+|\d+")
# Orders models by price where no daily tokens are given: 3 tokens of input to 1 of output. Ours.
_MIX = (0.75, 0.25)


@dataclass(frozen=True)
class HostedWishes:
    """What a hosted model must meet. `today`: an ISO date; models retired by then are left out."""

    task: Task
    context_tokens: int | None
    requires: tuple[Requirement, ...]
    input_tokens_per_day: int
    output_tokens_per_day: int
    today: str


@dataclass(frozen=True)
class Hosted:
    """A hosted model, its score on the reference benchmark of the skill, and its cost."""

    model: ApiModel
    row: ModelScore | None
    usd_per_day: float | None


def choose_hosted(
    models: Sequence[ApiModel],
    rows: Sequence[ModelScore],
    skill: str,
    wishes: HostedWishes,
    limit: int,
) -> tuple[Hosted, ...]:
    """One model a vendor: those with a score on the skill's reference benchmark first, best first,
    then the others, cheapest first. Models without a list price are left out."""
    scores = _by_name(rows, line_of(skill).benchmark)
    found = [
        Hosted(model, _row_of(model, scores), usd_per_day(model, wishes))
        for model in models
        if _meets(model, wishes)
    ]
    found.sort(key=_order)
    vendors: dict[str, Hosted] = {}
    for hosted in found:
        vendors.setdefault(hosted.model.vendor, hosted)
    return tuple(sorted(vendors.values(), key=_order)[:limit])


def usd_per_day(model: ApiModel, wishes: HostedWishes) -> float | None:
    """List price of the daily tokens; None without tokens or without a price."""
    prices = model.prices
    if not (wishes.input_tokens_per_day or wishes.output_tokens_per_day) or prices is None:
        return None
    if prices.input_usd_per_mtok is None or prices.output_usd_per_mtok is None:
        return None
    return (
        wishes.input_tokens_per_day * prices.input_usd_per_mtok
        + wishes.output_tokens_per_day * prices.output_usd_per_mtok
    ) / 1e6


def _meets(model: ApiModel, wishes: HostedWishes) -> bool:
    prices = model.prices
    if not model.first_party or prices is None or prices.output_usd_per_mtok is None:
        return False
    if model.deprecation_date and model.deprecation_date <= wishes.today:
        return False
    if model.output_modalities and "text" not in model.output_modalities:
        return False
    if wishes.context_tokens and (model.context_tokens or 0) < wishes.context_tokens:
        return False
    if ("vision" in wishes.requires or wishes.task == "vision") and (
        "image" not in model.input_modalities
    ):
        return False
    return all(getattr(model, name) for name in wishes.requires if name != "vision")


def _order(hosted: Hosted) -> tuple[bool, float, float, str]:
    score = hosted.row.score if hosted.row else 0.0
    return hosted.row is None, -score, _price(hosted), hosted.model.id


def _price(hosted: Hosted) -> float:
    if hosted.usd_per_day is not None:
        return hosted.usd_per_day
    prices = hosted.model.prices
    if prices is None:
        return float("inf")
    asked = (prices.input_usd_per_mtok or 0.0, prices.output_usd_per_mtok or 0.0)
    return sum(share * price for share, price in zip(_MIX, asked, strict=True))


def _by_name(rows: Iterable[ModelScore], benchmark: str) -> dict[str, ModelScore]:
    """The best row of every name on the newest version of the benchmark."""
    of_benchmark = [row for row in rows if row.benchmark == benchmark]
    newest = max((row.version or "" for row in of_benchmark), default="")
    found: dict[str, ModelScore] = {}
    for row in of_benchmark:
        name = _plain(row.measured_model.rpartition("/")[2])
        if (row.version or "") == newest and (name not in found or row.score > found[name].score):
            found[name] = row
    return found


def _row_of(model: ApiModel, scores: dict[str, ModelScore]) -> ModelScore | None:
    names = (model.id.rpartition("/")[2], *model.aliases)
    return next((scores[key] for name in names if (key := _plain(name)) in scores), None)


def _plain(name: str) -> str:
    return " ".join(_WORD.findall(name.lower()))
