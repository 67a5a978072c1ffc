"""Raw price lists → the table of hosted models, in fields of the contract's `ApiModel`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._labels import Labels
from whichweights_plugins.knowledge.building._provenance import repeated, without_provenance

_PRICES = (
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cached_input_usd_per_mtok",
    "cache_write_usd_per_mtok",
    "batch_input_usd_per_mtok",
    "batch_output_usd_per_mtok",
)
_COPIED = (
    "display_name",
    "input_modalities",
    "output_modalities",
    "tool_use",
    "reasoning",
    "structured_output",
    "open_weights",
    "knowledge_cutoff",
    "release_date",
    "deprecation_date",
)
_RENAMED = {"max_output": "max_output_tokens", "context_window": "context_tokens"}
_TIER = re.compile(r"(\d+)k")


def api_model_row(raw: Row, labels: Labels) -> Row:
    """One raw row in the contract's fields; `prices` without its date and source (the row's).

    A model whose repository is in the table of open weights is one, whatever the raw row guesses.
    """
    row: Row = {
        "id": raw["id"],
        "vendor": raw["provider"],
        "first_party": raw["kind"] == "first_party",
    }
    row |= {field: raw[field] for field in _COPIED if raw.get(field) is not None}
    aliases = _aliases(raw)
    if aliases:
        row["aliases"] = aliases
    if "context_window" in raw:
        row["context_tokens"] = raw["context_window"]
    if "max_output" in raw:
        row["max_output_tokens"] = raw["max_output"]
    prices = {field: raw[field] for field in _PRICES if field in raw}
    if prices:
        row["prices"] = prices
    row |= _tiers(raw.get("prices_above_tokens", {}))
    notes = [*row.pop("tier_notes", []), *raw.get("notes", ())]
    if notes:
        row["notes"] = notes
    unverified = [_RENAMED.get(field, field) for field in raw.get("unverified", ())]
    if labels.repository(raw["id"].rsplit("/models/", 1)[-1]):
        row["open_weights"] = True
        unverified = [field for field in unverified if field != "open_weights"]
    if unverified:
        row["unverified"] = unverified
    row["source"] = " and ".join(raw["sources"])
    row["date"] = raw["as_of"]
    return row


def _aliases(raw: Row) -> list[str]:
    """Names in use beside the id: the key of the price collection,
    the last part of a path, the plain name in a Bedrock id."""
    found: list[str] = []
    key = raw.get("litellm_key")
    if key and key != raw["id"] and key != f"{raw['provider']}/{raw['id']}":
        found.append(key)
    tail = raw["id"].rsplit("/", 1)[-1]
    if tail != raw["id"]:
        found.append(tail)
    bedrock = re.fullmatch(r"(?:[a-z]{2}\.)?amazon\.(.+?)(?:-v\d+:\d+)?", raw["id"])
    if bedrock:
        found.append(bedrock[1])
    return found


def _tiers(tiers: dict[str, Row]) -> dict[str, Any]:
    """The first tier's threshold, and what each tier costs as a note."""
    if not tiers:
        return {}
    limits = {
        int(match[1]) * 1000: tier for key, tier in tiers.items() if (match := _TIER.fullmatch(key))
    }
    notes = [
        f"prompts above {limit:,} tokens: USD {tier.get('input_usd_per_mtok', '?')} in, "
        f"{tier.get('output_usd_per_mtok', '?')} out per million tokens"
        for limit, tier in sorted(limits.items())
    ]
    return {"prices_above_tokens": min(limits), "tier_notes": notes}


def build_api_models(facts: Path) -> Built:
    """All hosted models: first-party rows and hosts of open weights."""
    labels = Labels.of(facts)
    rows = [api_model_row(raw, labels) for raw in read_jsonl(facts / "api_models.jsonl")]
    own = sum(row["first_party"] for row in rows)
    priced = sum("prices" in row for row in rows)
    return Built(
        rows, [f"{own} first-party rows, {len(rows) - own} of hosts, {priced} with prices"]
    )


def check_api_models(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the shipped table."""
    problems = without_provenance(rows) + repeated(rows, "vendor", "id")
    for row in rows:
        prices = row.get("prices", {}).values()
        if any(price < 0 or price > 2000 for price in prices):
            problems.append(f"{row['vendor']}/{row['id']}: a price is outside 0 to 2,000 USD")
    return problems


BUILDERS = (TableBuilder("api_models", build_api_models, check_api_models),)
