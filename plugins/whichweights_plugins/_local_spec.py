"""From the headers of local files to a ModelSpec. Blocking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from whichweights_plugins._local_folder import LocalModel, missing_parts
from whichweights_plugins._local_headers import read_config, read_gguf_parts, read_safetensors
from whichweights_plugins.formats._malformed import MalformedFile
from whichweights_plugins.formats.config_json import spec_from_config, spec_without_layers
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_plugins.formats.safetensors_header import SafetensorsHeader, weights_of
from whichweights_plugins.hub.weight_files import total_bytes
from whichweights_schemas.errors import UnsupportedArchitecture
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import ModelSpec, ParameterCounts

__all__ = ["read_model"]

_VISION: Final = (
    *(
        "vision_tower.",
        "vision_model.",
        "visual.",
        "multi_modal_projector.",
        "vision_embed_tokens.",
    ),
    *(
        "vision_encoder.",
        "vision_adapter.",
        "embed_vision.",
        "vit_large_projector.",
        "mm_projector.",
    ),
)
"""What the names of vision weights begin with, in transformers' classes."""

_DRAFT: Final = ("mtp.", "model.mtp.")
_SECTIONS: Final = ("quantization_config", "compression_config", "quantization")


def read_model(model: LocalModel, model_id: str) -> ModelSpec:
    """The spec the headers state; what they do not say is unknown, with the reason.

    Raises MalformedFile for broken files, UnsupportedArchitecture where neither the shape nor the
    number of weights can be told.
    """
    if model.container == "gguf":
        return _gguf(model, model_id)
    return _checkpoint(model, model_id)


def _gguf(model: LocalModel, model_id: str) -> ModelSpec:
    lacking = missing_parts(model.weights)
    if lacking:
        raise MalformedFile(
            f"{Path(model_id).name}: {lacking}", field="model", hint="Download the other parts."
        )
    header = read_gguf_parts(model.paths)
    source = f"file header of {model.weights[0].path}"
    spec = spec_from_gguf(header, model_id=model_id, source=source)
    stored = total_bytes(model.weights)
    notes = [
        f"a vision projector lies beside it: {file.path} ({file.size_bytes:,} bytes)"
        for file in model.projectors
    ]
    talks = header.text("tokenizer.chat_template") is not None
    return spec.model_copy(
        update={
            "kind": spec.kind or ("instruct" if talks else None),
            "stored_bytes": stored,
            "notes": (*spec.notes, *notes),
            "evidence": (*spec.evidence, _sizes(model)),
        }
    )


def _sizes(model: LocalModel) -> Evidence:
    count = len(model.weights)
    note = f"{count} files" if count > 1 else None
    return Evidence(fields=("stored_bytes",), basis="exact", source="size of the file", note=note)


def _checkpoint(model: LocalModel, model_id: str) -> ModelSpec:
    config = read_config(model.allow(model.config)) if model.config else None
    counts, evidence, gaps = _counted(model, config or {})
    spec = _shaped(config, model_id, counts)
    if counts is not None and spec.mtp_layers and counts[0].mtp == 0:
        # Draft layers that follow the others by number: only the shape tells them apart.
        counts = (_with_numbered_drafts(counts[0], counts[1], spec), counts[1])
        spec = spec.model_copy(update={"parameters": counts[0]})
    stored = None if missing_parts(model.weights) else total_bytes(model.weights)
    if stored is not None:
        evidence.append(_sizes(model))
    else:
        why = missing_parts(model.weights) or "no one complete set of weight files lies there"
        gaps.append(Unknown(field="stored_bytes", reason=why))
    told = {gap.field for gap in gaps}
    return spec.model_copy(
        update={
            "stored_bytes": stored,
            "unknown": (*(gap for gap in spec.unknown if gap.field not in told), *gaps),
            "evidence": (*evidence, *spec.evidence),
        }
    )


Counts = tuple[ParameterCounts, Sequence[SafetensorsHeader]]


def _counted(
    model: LocalModel, config: Mapping[str, object]
) -> tuple[Counts | None, list[Evidence], list[Unknown]]:
    """Weights by part as the headers state them, and where they stand."""
    why = missing_parts(model.weights)
    if why is None and model.container != "safetensors":
        why = "only .safetensors and .gguf files say how many weights they hold"
    if why is not None:
        return None, [], [Unknown(field="parameters.total", reason=why)]
    headers = read_safetensors(model.paths)
    bits = _bits(config)
    whole = weights_of(headers, bits=bits)
    vision = weights_of(_only(headers, _VISION), bits=bits).weights
    drafts = weights_of(_only(headers, _DRAFT), bits=bits).weights
    basis = "computed" if whole.packed else "exact"
    counts = ParameterCounts(
        total=whole.weights,
        total_basis=basis,
        language=whole.weights - vision - drafts,
        vision=vision,
        mtp=drafts,
    )
    note = f"{whole.total_bytes:,} bytes of tensors"
    if whole.packed:
        note += f", {whole.packed:,} weights packed, {whole.scales:,} scales left out"
    row = Evidence(
        fields=("parameters",),
        basis=basis,
        source=f"file header of {model.weights[0].path}",
        note=note,
    )
    return (counts, headers), [row], []


def _only(
    headers: Sequence[SafetensorsHeader], prefixes: tuple[str, ...]
) -> list[SafetensorsHeader]:
    starts = (*prefixes, *(f"model.{prefix}" for prefix in prefixes))
    return [
        replace(header, tensors=tuple(t for t in header.tensors if t.name.startswith(starts)))
        for header in headers
    ]


def _with_numbered_drafts(
    counts: ParameterCounts, headers: Sequence[SafetensorsHeader], spec: ModelSpec
) -> ParameterCounts:
    first = len(spec.layout)
    names = tuple(f"layers.{first + index}." for index in range(spec.mtp_layers))
    drafts = weights_of(_only(headers, names)).weights
    if not drafts or counts.language is None:
        return counts
    return counts.model_copy(update={"language": counts.language - drafts, "mtp": drafts})


def _bits(config: Mapping[str, object]) -> int | None:
    """Bits of packed codes as GPTQ, AWQ and MLX configs state them."""
    for key in _SECTIONS:
        section = config.get(key)
        if isinstance(section, Mapping):
            values = cast("Mapping[str, object]", section)
            bits = values.get("bits", values.get("w_bit"))
            if isinstance(bits, int) and not isinstance(bits, bool) and 1 <= bits <= 8:
                return bits
    return None


def _shaped(config: Mapping[str, object] | None, model_id: str, counts: Counts | None) -> ModelSpec:
    parameters = counts[0] if counts else None
    if config is None:
        return _without_config(model_id, counts)
    try:
        return spec_from_config(config, model_id=model_id, parameters=parameters)
    except UnsupportedArchitecture as error:
        if parameters is None:
            raise
        return spec_without_layers(
            config, model_id=model_id, reason=error.message, parameters=parameters
        )


def _without_config(model_id: str, counts: Counts | None) -> ModelSpec:
    if counts is None:
        raise UnsupportedArchitecture(
            f"nothing there tells the shape or the number of weights of {model_id}",
            field="model",
            hint="put its config.json beside it, or name a .safetensors or .gguf file",
        )
    reason = "there is no config.json beside the weights"
    missing = ("blocks", "native", "max_context_tokens")
    return ModelSpec(
        id=model_id,
        display_name=Path(model_id).name or model_id,
        parameters=counts[0],
        unknown=tuple(Unknown(field=name, reason=reason) for name in missing),
    )
