"""From what the Hub said to a ModelSpec; what it did not say is listed with the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from whichweights_plugins.formats.config_json import spec_from_config, spec_without_layers
from whichweights_plugins.formats.quantization_config import quantization_from_config
from whichweights_plugins.hub.client import Answer
from whichweights_plugins.hub.counting import Counted, count_weights
from whichweights_plugins.hub.facts import HubFile, RepoFacts
from whichweights_plugins.hub.reading import ConfigReading
from whichweights_plugins.hub.weight_files import model_weights, total_bytes
from whichweights_schemas.errors import (
    InvalidArgument,
    UnknownQuantization,
    UnsupportedArchitecture,
)
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import ModelKind, ModelSpec, ParameterCounts
from whichweights_schemas.quantization import Quantization

__all__ = ["read_spec"]

_INSTRUCT: Final = re.compile(r"(?i)[-_.](it|instruct|chat|thinking|reasoning)(?![a-z])")
_BASE: Final = re.compile(r"(?i)[-_.](base|pt|pretrained)(?![a-z])")
_FLOATS: Final = {"BF16": 16.0, "F16": 16.0, "F32": 32.0}
_ALMOST_ALL: Final = 0.95
_MANY_LANGUAGES: Final = 100
_LONGEST_AGE_SECONDS: Final = 1e9


def read_spec(repo: RepoFacts, reading: ConfigReading, answer: Answer, endpoint: str) -> ModelSpec:
    """The spec of a repository at the commit the Hub named; never raises for strange content."""
    weights = model_weights(repo.files)
    stored = total_bytes(weights)
    counted = _counted(repo, reading, stored if _is_safetensors(weights) else None)
    parameters = ParameterCounts(total=counted.total, total_basis=counted.basis)
    place = f"{repo.id}@{repo.sha[:7]}" if repo.sha else repo.id
    spec = _shaped(repo, reading, parameters, place)
    window = spec.max_context_tokens or _whole(repo.gguf.get("context_length"))
    unknown = [entry for entry in spec.unknown if entry.field != "parameters.total"]
    if counted.total is None:
        reason = counted.note or "the Hub lists no parameter counts for this repository"
        unknown.append(Unknown(field="parameters.total", reason=reason))
    if stored is None:
        reason = "the repository holds no one complete set of weight files with sizes"
        unknown.append(Unknown(field="stored_bytes", reason=reason))
    native = spec.native or _native(repo)
    if native is not None:
        unknown = [entry for entry in unknown if entry.field != "native"]
    made_from = _made_from(repo)
    return spec.model_copy(
        update={
            "base_model": made_from[1] if made_from else None,
            "kind": spec.kind or _kind(repo),
            "architecture": spec.architecture or _text(repo.gguf.get("architecture")),
            "release_date": repo.created,
            "license": repo.license,
            "gated": repo.gated,
            "languages": repo.languages[:_MANY_LANGUAGES],
            "max_context_tokens": window,
            "native": native,
            "stored_bytes": stored,
            "unknown": tuple(unknown),
            "notes": (*spec.notes, *_notes(repo, made_from)),
            "evidence": (
                *_evidence(repo, counted, stored, answer, endpoint, place),
                *spec.evidence,
            ),
        }
    )


def _shaped(
    repo: RepoFacts, reading: ConfigReading, parameters: ParameterCounts, place: str
) -> ModelSpec:
    reason = reading.problem or "there is no config.json"
    if reading.values is not None:
        source = f"config.json of {place}"
        try:
            return spec_from_config(
                reading.values,
                model_id=repo.id,
                revision=repo.sha,
                parameters=parameters,
                source=source,
            )
        except (UnsupportedArchitecture, InvalidArgument) as error:
            reason = error.message
        try:
            return spec_without_layers(
                reading.values,
                model_id=repo.id,
                reason=reason,
                revision=repo.sha,
                parameters=parameters,
                source=source,
            )
        except InvalidArgument as error:
            reason = error.message
    missing = ("blocks", "native") if repo.gguf or reading.values is None else ("blocks",)
    return ModelSpec(
        id=repo.id,
        revision=repo.sha,
        display_name=repo.id.rpartition("/")[2],
        architecture=_text(repo.config.get("model_type")),
        parameters=parameters,
        unknown=tuple(Unknown(field=name, reason=reason) for name in missing),
    )


def _native(repo: RepoFacts) -> Quantization | None:
    """How the weights are stored, where no config.json could be read: by what the Hub lists."""
    try:
        stated = quantization_from_config(repo.config)
    except (UnknownQuantization, InvalidArgument):
        return None
    if stated is not None or not repo.counts:
        return stated
    name, count = max(repo.counts.items(), key=lambda row: row[1])
    if name not in _FLOATS or count < _ALMOST_ALL * sum(repo.counts.values()):
        return None
    return Quantization(format=name, bits_per_weight=_FLOATS[name])


def _is_safetensors(weights: Sequence[HubFile]) -> bool:
    return bool(weights) and weights[0].path.endswith(".safetensors")


def _counted(repo: RepoFacts, reading: ConfigReading, file_bytes: int | None) -> Counted:
    if repo.counts:
        return count_weights(repo.counts, reading.values or repo.config, file_bytes)
    total = _whole(repo.gguf.get("total"))
    if total:
        return Counted(total, "exact")
    return Counted(None, note="the Hub lists no parameter counts for this repository")


def _evidence(
    repo: RepoFacts,
    counted: Counted,
    stored: int | None,
    answer: Answer,
    endpoint: str,
    place: str,
) -> tuple[Evidence, ...]:
    source = f"{endpoint.partition('://')[2]}: {place}"
    age = _age(answer)
    read_on = _read_on(answer)
    facts = ["gated"] if repo.gated is not None else []
    facts += ["stored_bytes"] if stored is not None else []
    facts += ["max_context_tokens"] if "context_length" in repo.gguf else []
    rows: list[Evidence] = []
    if counted.total is not None and counted.basis == "exact":
        facts.insert(0, "parameters.total")
    elif counted.total is not None:
        rows.append(
            Evidence(
                fields=("parameters.total",),
                basis=counted.basis,
                source=source,
                date=read_on,
                note=counted.note,
            )
        )
    claims = ("license", "languages", "base_model", "release_date")
    card = Evidence(
        fields=claims,
        basis="published",
        source=source,
        date=repo.modified or repo.created or read_on,
        note="model card",
    )
    exact = Evidence(
        fields=tuple(facts or ["id"]), basis="exact", source=source, date=read_on, note=age
    )
    return (exact, *rows, card)


def _age(answer: Answer) -> str | None:
    """How old the Hub's word is, where it was not given just now."""
    if answer.stale is None and answer.age_seconds < 60:
        return None
    text = f"cached {_duration(answer.age_seconds)} ago"
    return text if answer.stale is None else f"{text}, not confirmed: {answer.stale}"


def _read_on(answer: Answer) -> str | None:
    """The day the Hub last said so; None where the clock was set back since."""
    if answer.age_seconds > _LONGEST_AGE_SECONDS:
        return None
    read = datetime.now(UTC) - timedelta(seconds=answer.age_seconds)
    return read.date().isoformat()


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return (
                f"{seconds // size:.0f} {name}"
                if seconds < _LONGEST_AGE_SECONDS
                else "an unknown time"
            )
    return f"{seconds:.0f} seconds"


def _notes(repo: RepoFacts, made_from: tuple[str, str] | None) -> list[str]:
    notes: list[str] = []
    if made_from and made_from[0]:
        words = {"quantized": "quantized from", "finetune": "fine-tuned from", "merge": "merged of"}
        notes.append(f"{words.get(made_from[0], made_from[0] + ' of')} {made_from[1]}")
    if "custom_code" in repo.tags:
        notes.append("runs code of its own (trust_remote_code)")
    return notes


def _made_from(repo: RepoFacts) -> tuple[str, str] | None:
    """The relation to a base model and its id; a quantization before anything else."""
    order = ("quantized", "finetune", "adapter", "merge", "")
    ranked = sorted(
        (row for row in repo.base_models if row[1].lower() != repo.id.lower()),
        key=lambda row: order.index(row[0]) if row[0] in order else len(order),
    )
    return ranked[0] if ranked else None


def _kind(repo: RepoFacts) -> ModelKind | None:
    name = repo.id.rpartition("/")[2]
    if _BASE.search(name):
        return "base"
    talks = "conversational" in repo.tags or "chat_template" in repo.gguf
    return "instruct" if talks or _INSTRUCT.search(name) else None


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53:
        return value
    return None


def _text(value: object) -> str | None:
    return value[:100] if isinstance(value, str) and value else None
