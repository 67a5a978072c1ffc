"""Builds the model catalogue: the raw records re-expressed as ModelSpec."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from whichweights_plugins.knowledge._model_names import normalise
from whichweights_plugins.knowledge._tables import Row
from whichweights_plugins.knowledge.building._blocks import Layers, layers_of
from whichweights_plugins.knowledge.building._builder import Built, TableBuilder, read_jsonl
from whichweights_plugins.knowledge.building._model_evidence import evidence_of, unverified_of
from whichweights_plugins.knowledge.building._model_values import (
    cache_figure_of,
    context_of,
    extra_parameters_of,
    inputs_of,
    native_of,
    notes_of,
    parameters_of,
    tokenizer_family_of,
    vision_of,
)
from whichweights_schemas._base import Shape
from whichweights_schemas.evidence import Unknown
from whichweights_schemas.models import ModelSpec

_SAME_SHAPE = {
    "deepseek-ai/DeepSeek-V4-Flash-0731": "deepseek-ai/DeepSeek-V4-Flash",
    "deepseek-ai/DeepSeek-V4-Pro-0813": "deepseek-ai/DeepSeek-V4-Pro",
}
"""Revisions described as having the structure of the first release: they borrow its layers."""

_MIN_ROWS = 300


def build(facts: Path) -> Built:
    """Rows of the catalogue from `models.jsonl` in the folder of raw facts."""
    records = read_jsonl(facts / "models.jsonl")
    by_id = {record["repo_id"]: record for record in records}
    rows: list[Row] = []
    dropped: list[str] = []
    for record in records:
        if "parameters_total" not in record and "num_hidden_layers" not in record:
            dropped.append(f"dropped {record['repo_id']}: no parameters and no shape")
            continue
        donor = by_id.get(_SAME_SHAPE.get(record["repo_id"], ""))
        rows.append(compact(spec_of(_borrowed(record, donor))))
    rows.sort(key=lambda row: cast(str, row["id"]).lower())
    kinds = Counter(row.get("confidence", "reported") for row in rows)
    shaped = sum(1 for row in rows if "layout" in row)
    summary = (
        f"{len(rows)} of {len(records)} records; confidence {dict(kinds)}; {shaped} with layers"
    )
    return Built(rows, [*dropped, summary])


def spec_of(record: Row) -> ModelSpec:
    """One record as a ModelSpec."""
    layers = layers_of(record)
    context, extended, context_note = context_of(record)
    values: Row = {
        "id": record["repo_id"],
        "display_name": record["display_name"],
        "aliases": tuple(record["aliases"]),
        "kind": record.get("model_kind"),
        "confidence": record["confidence"],
        "parameters": parameters_of(record),
        "tied_embeddings": record.get("tie_word_embeddings"),
        "extra_parameters": extra_parameters_of(record),
        "final_norm": record.get("compute_class") != "bert" and record.get("final_norm", True),
        "blocks": layers.blocks,
        "layout": layers.layout,
        "stated_layers": None if layers.layout else record.get("num_hidden_layers"),
        "vision": vision_of(record),
        "cache_figure": None if layers.layout else cache_figure_of(record),
        "max_context_tokens": context,
        "extended_context_tokens": extended,
        "context_note": context_note,
        "native": native_of(record),
        "tokenizer_family": tokenizer_family_of(record),
        "notes": notes_of(record),
    }
    for name in (
        *("family", "base_model", "architecture", "release_date", "license", "gated"),
        *("hidden_size", "vocab_size", "lm_head_bias", "learned_positions", "mtp_layers"),
        *("tool_use", "reasoning"),
    ):
        if name in record:
            values[name] = record[name]
    if record.get("compute_class") == "bert":
        values["learned_positions"] = record["max_position_embeddings"]
    values["languages"] = tuple(record.get("languages", ()))
    values["input_modalities"] = inputs_of(record)
    draft = ModelSpec.model_validate(values)
    kept = _given(draft)
    return draft.model_copy(
        update={
            "unverified": _unverified(record, layers, kept),
            "unknown": _unknown(record, layers, draft),
            "evidence": evidence_of(record, kept=kept),
        }
    )


def _borrowed(record: Row, donor: Row | None) -> Row:
    if donor is None:
        return record
    wanted = ("compress_ratios", "o_lora_rank")
    added = {key: donor[key] for key in wanted if key in donor and key not in record}
    note = f"layers taken from {donor['repo_id']}"
    return {**record, **added, "notes": [*record.get("notes", ()), note]}


def _given(spec: ModelSpec) -> set[str]:
    """Names of the fields that hold a value, parts of `parameters` one by one."""
    given = {name for name in ModelSpec.model_fields if getattr(spec, name) not in (None, (), "")}
    counts = spec.parameters
    names = ("total", "language", "vision", "mtp", "active")
    return given | {f"parameters.{name}" for name in names if getattr(counts, name) is not None}


def _unverified(record: Row, layers: Layers, kept: set[str]) -> tuple[str, ...]:
    found = list(unverified_of(record, kept=kept))
    if layers.unverified and "blocks" not in found:
        found.append("blocks")
    if "native" in kept and "native" not in found and native_of(record, doubtful=True):
        found.append("native")
    gemma = record.get("tokenizer_family") == "gemma-sentencepiece-256k"
    if gemma and "gemma-3" not in record["repo_id"] and "tokenizer_family" in kept:
        found.append("tokenizer_family")
    return tuple(found)


def _unknown(record: Row, layers: Layers, spec: ModelSpec) -> tuple[Unknown, ...]:
    found: list[Unknown] = []
    if layers.missing is not None:
        found.append(Unknown(field="blocks", reason=layers.missing))
    elif "compute_class" not in record:
        reason = "no published count confirms the weights of these layers one by one"
        found.append(Unknown(field="extra_parameters", reason=reason))
    if spec.parameters.total is None:
        reason = "no count of the whole repository was found"
        found.append(Unknown(field="parameters.total", reason=reason))
    if spec.parameters.vision is None:
        reason = "the count does not tell the vision part from the rest"
        found.append(Unknown(field="parameters.vision", reason=reason))
    if spec.native is None:
        reason = "the storage type of the maker's weights was not read"
        found.append(Unknown(field="native", reason=reason))
    if spec.max_context_tokens is None:
        recurrent = record.get("kv_bytes_per_token_bf16") == 0
        reason = "recurrent: no limit in the shape, trained length not known"
        other = "no source for the context length"
        found.append(Unknown(field="max_context_tokens", reason=reason if recurrent else other))
    return tuple(found)


def compact(shape: Shape) -> Row:
    """A shape as JSON without the fields that hold their default; `kind` stays, it tells shapes
    apart."""
    row: Row = {}
    for name, field in type(shape).model_fields.items():
        value = getattr(shape, name)
        if (name == "kind" and field.default is not None) or value != field.get_default():
            row[name] = _plain(value)
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Shape):
        return compact(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[Any, ...]", value)]
    return value


def check(rows: Sequence[Row]) -> list[str]:
    """What is wrong with the catalogue's rows."""
    problems: list[str] = []
    if len(rows) < _MIN_ROWS:
        problems.append(f"only {len(rows)} rows, expected at least {_MIN_ROWS}")
    names: dict[str, str] = {}
    for row in rows:
        identifier = str(row.get("id", "?"))
        try:
            spec = ModelSpec.model_validate(row)
        except ValidationError as error:
            problems.append(f"{identifier}: {error.error_count()} fields do not fit ModelSpec")
            continue
        problems += [f"{identifier}: {line}" for line in _faults(spec)]
        for alias in {normalise(name) for name in (spec.id, *spec.aliases)}:
            other = names.setdefault(alias, spec.id)
            if other != spec.id:
                problems.append(f"{identifier}: alias {alias!r} also means {other}")
    return problems


def _faults(spec: ModelSpec) -> list[str]:
    found: list[str] = []
    if not spec.evidence:
        found.append("no source")
    if any(entry.date is None for entry in spec.evidence):
        found.append("a source without a date")
    if bool(spec.blocks) != bool(spec.layout):
        found.append("blocks without layout, or the reverse")
    if spec.layout and set(spec.layout) != set(range(len(spec.blocks))):
        found.append("layout and blocks do not name each other")
    if not spec.layout and not any(gap.field == "blocks" for gap in spec.unknown):
        found.append("no layers and no reason for it")
    if spec.parameters.total is not None and spec.parameters.total <= 0:
        found.append("a total that is not positive")
    return found


BUILDERS = (TableBuilder("models", build, check),)
