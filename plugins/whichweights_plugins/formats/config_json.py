"""From a model's config.json to its ModelSpec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from whichweights_plugins.formats import (
    _config_encoder,
    _config_hybrid,
    _config_latent,
    _config_older,
    _config_special,
)
from whichweights_plugins.formats._config_decoder import read_decoder
from whichweights_plugins.formats._config_fields import Fields
from whichweights_plugins.formats._config_shape import LanguageShape, distinct
from whichweights_plugins.formats._config_traits import ALIASES, TRAITS, UNVERIFIED
from whichweights_plugins.formats._config_vision import context, modalities, storage, vision_tower
from whichweights_plugins.formats._malformed import MalformedFile, malformed
from whichweights_plugins.formats.quantization_config import quantization_from_config
from whichweights_schemas.errors import UnknownQuantization, UnsupportedArchitecture
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import ModelSpec, ParameterCounts, ShapeConfidence
from whichweights_schemas.quantization import Quantization

__all__ = ["spec_from_config", "spec_without_layers", "supported_model_types"]

_READERS: Final[Mapping[str, Callable[[Fields], LanguageShape]]] = {
    "deepseek_v2": _config_latent.read_deepseek_v2,
    "deepseek_v3": _config_latent.read_deepseek_v3,
    "kimi_k2": _config_latent.read_deepseek_v3,
    "glm4_moe_lite": _config_latent.read_deepseek_v3,
    "deepseek_v32": _config_latent.read_sparse,
    "glm_moe_dsa": _config_latent.read_sparse,
    "deepseek_v4": _config_latent.read_deepseek_v4,
    "kimi_linear": _config_latent.read_kimi_linear,
    "qwen3_next": _config_hybrid.read_qwen_next,
    "qwen3_5": _config_hybrid.read_qwen_next,
    "qwen3_5_moe": _config_hybrid.read_qwen_next,
    "nemotron_h": _config_hybrid.read_nemotron_h,
    "granitemoehybrid": _config_hybrid.read_granite_hybrid,
    "falcon_h1": _config_hybrid.read_falcon_h1,
    "jamba": _config_hybrid.read_jamba,
    "lfm2": _config_hybrid.read_lfm2,
    "lfm2_moe": _config_hybrid.read_lfm2,
    "mamba": _config_hybrid.read_mamba1,
    "falcon_mamba": _config_hybrid.read_mamba1,
    "mamba2": _config_hybrid.read_mamba2,
    "gemma3n": _config_special.read_gemma3n,
    "gemma4": _config_special.read_gemma4,
    "mllama": _config_special.read_mllama,
    "gpt2": _config_older.read_gpt2,
    "gpt_bigcode": _config_older.read_gpt2,
    "gpt_neo": _config_older.read_gpt_neo,
    "gptj": _config_older.read_gptj,
    "gpt_neox": _config_older.read_gpt_neox,
    "opt": _config_older.read_opt,
    "bloom": _config_older.read_bloom,
    "falcon": _config_older.read_falcon,
    "stablelm": _config_older.read_stablelm,
    "chatglm": _config_older.read_chatglm,
    "bert": _config_encoder.read_bert,
    "roberta": _config_encoder.read_bert,
    "xlm-roberta": _config_encoder.read_bert,
    "distilbert": _config_encoder.read_distilbert,
    "modernbert": _config_encoder.read_modernbert,
}

_TEXT_SECTIONS: Final = ("text_config", "language_config", "llm_config")
_SUFFIXES: Final = ("_text_model", "_text", "_model")
_LATER: Final = frozenset({"mamba2", "gpt_bigcode", "kimi_linear", "gemma3n"})
"""Readers whose parameter count was not held against a published one."""

_FROM_CONFIG: Final = (
    *("architecture", "hidden_size", "vocab_size", "tied_embeddings", "blocks", "layout"),
    *("mtp_layers", "max_context_tokens", "native", "input_modalities"),
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A config taken apart: the whole, its language part, and the class of the latter."""

    whole: Fields
    text: Fields
    model_type: str
    stated_type: str


def supported_model_types() -> frozenset[str]:
    """Every `model_type` whose layers are understood."""
    return frozenset({*_READERS, *TRAITS, *ALIASES})


def spec_from_config(
    config: Mapping[str, object],
    *,
    model_id: str,
    revision: str | None = None,
    parameters: ParameterCounts | None = None,
    source: str = "config.json",
) -> ModelSpec:
    """The architecture facts a config.json states, with class defaults named as assumed.

    `parameters` = counts known from elsewhere (file headers, the Hub); without them they are
    unknown, and follow from the layers by arithmetic.

    Raises:
        UnsupportedArchitecture: the class, or a variant of it, is not understood: nothing is
            guessed; `spec_without_layers` gives what can still be said.
        MalformedFile: the config holds values that make no sense.
    """
    parts = _parts(config)
    shape = _shape(parts)
    window, extended = context(parts.text)
    native, gaps = _native(config, parts)
    gaps += _gaps(shape, parameters, parts)
    draft = ModelSpec(
        id=model_id,
        revision=revision,
        display_name=model_id.rpartition("/")[2],
        architecture=_architecture(parts),
        confidence=_confidence(shape, parts),
        parameters=parameters or ParameterCounts(total=None),
        vision=vision_tower(parts.whole),
        max_context_tokens=window,
        extended_context_tokens=extended,
        native=native,
        input_modalities=modalities(parts.whole),
        unknown=tuple(gaps),
        evidence=_evidence(parts, source),
    )
    return draft.model_copy(update=_language_fields(shape))


def _language_fields(shape: LanguageShape) -> dict[str, object]:
    """The fields of ModelSpec that describe the language part."""
    blocks, layout = distinct(shape.layers)
    return {
        "kind": "encoder" if shape.encoder else None,
        "hidden_size": shape.hidden,
        "vocab_size": shape.vocabulary,
        "tied_embeddings": shape.tied,
        "lm_head_bias": shape.lm_head_bias,
        "learned_positions": shape.learned_positions,
        "extra_parameters": shape.extra_parameters,
        "final_norm": shape.final_norm,
        "blocks": blocks,
        "layout": layout,
        "mtp_layers": shape.mtp_layers,
        "notes": shape.notes,
    }


def spec_without_layers(
    config: Mapping[str, object],
    *,
    model_id: str,
    reason: str,
    revision: str | None = None,
    parameters: ParameterCounts | None = None,
    source: str = "config.json",
) -> ModelSpec:
    """What can be said of a model whose layers are not understood; `reason` says why not.

    Never raises for a strange value: such a field is unknown.
    """
    values = _lenient(config)
    native, gaps = _native(config, None)
    gaps.append(Unknown(field="blocks", reason=reason))
    return ModelSpec(
        id=model_id,
        revision=revision,
        display_name=model_id.rpartition("/")[2],
        architecture=stated[:80] if isinstance(stated := config.get("model_type"), str) else None,
        confidence="reported",
        parameters=parameters or ParameterCounts(total=None),
        hidden_size=values.get("hidden_size"),
        vocab_size=values.get("vocab_size"),
        stated_layers=values.get("num_hidden_layers"),
        max_context_tokens=values.get("max_position_embeddings"),
        native=native,
        unknown=tuple(gaps),
        evidence=(Evidence(fields=("architecture",), basis="exact", source=source),),
    )


def _parts(config: Mapping[str, object]) -> _Parts:
    stated = _type_of(config) or ""
    text: Mapping[str, object] = config
    for key in _TEXT_SECTIONS:
        nested = config.get(key)
        if isinstance(nested, Mapping) and nested:
            text = _with_ties(config, cast("Mapping[str, object]", nested))
            break
    inner = _known(_type_of(text) or "") or _known(stated)
    if inner is None:
        raise _unsupported(config, stated)
    defaults = TRAITS[inner].defaults if inner in TRAITS else None
    whole = Fields(config, stated)
    return _Parts(whole, Fields(text, inner, defaults), inner, stated)


def _with_ties(whole: Mapping[str, object], text: Mapping[str, object]) -> Mapping[str, object]:
    """Wrappers state the tie, and often the storage type, outside the language part."""
    moved = ("tie_word_embeddings", "architectures", "num_nextn_predict_layers")
    outside = {key: whole[key] for key in moved if whole.get(key) is not None}
    inside = {key: value for key, value in text.items() if key not in outside or value is not None}
    return {**outside, **inside}


def _type_of(config: Mapping[str, object]) -> str | None:
    name = config.get("model_type")
    if name is not None and not isinstance(name, str):
        raise malformed("config.json: `model_type` is no text")
    return name


def _known(name: str) -> str | None:
    for suffix in ("", *_SUFFIXES):
        short = name.removesuffix(suffix) if suffix else name
        found = ALIASES.get(short, short)
        if found in _READERS or found in TRAITS:
            return found
    return None


def _unsupported(config: Mapping[str, object], stated: str) -> UnsupportedArchitecture:
    values = _lenient(config)
    said = ", ".join(f"{key} {value:,}" for key, value in values.items()) or "nothing else"
    return UnsupportedArchitecture(
        f"the architecture {stated[:60] or '(unnamed)'} is not understood; its config says: {said}",
        field="model",
        hint="Its weights can still be sized from the files; cache and buffers cannot.",
    )


def _lenient(config: Mapping[str, object]) -> dict[str, int]:
    """The plain integers of a config that mean the same in every class."""
    found: dict[str, int] = {}
    sections = [config, *(config.get(key) for key in _TEXT_SECTIONS)]
    for key in ("num_hidden_layers", "hidden_size", "vocab_size", "max_position_embeddings"):
        for section in sections:
            if not isinstance(section, Mapping):
                continue
            value = Fields(cast("Mapping[str, object]", section), "").raw(key)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
                found.setdefault(key, value)
    return found


def _architecture(parts: _Parts) -> str:
    """The stated type, with the class of the language part where the name does not show it."""
    if parts.model_type in parts.stated_type:
        return parts.stated_type
    return f"{parts.stated_type} / {parts.model_type}" if parts.stated_type else parts.model_type


def _shape(parts: _Parts) -> LanguageShape:
    reader = _READERS.get(parts.model_type)
    if reader is not None:
        return reader(parts.text)
    return read_decoder(parts.text, TRAITS[parts.model_type])


def _native(
    config: Mapping[str, object], parts: _Parts | None
) -> tuple[Quantization | None, list[Unknown]]:
    """How the weights are stored: the quantization, else the floating-point type."""
    try:
        native = quantization_from_config(config)
    except (UnknownQuantization, MalformedFile) as error:
        return None, [Unknown(field="native", reason=error.message)]
    if native is None:
        native = storage(parts.text, parts.whole) if parts else storage(Fields(config, ""))
    if native is None:
        return None, [Unknown(field="native", reason="config.json states no storage type")]
    return native, []


def _gaps(shape: LanguageShape, parameters: ParameterCounts | None, parts: _Parts) -> list[Unknown]:
    found: list[Unknown] = []
    if shape.unproved is not None:
        found.append(Unknown(field="extra_parameters", reason=shape.unproved))
    if parameters is None or parameters.total is None:
        found.append(Unknown(field="parameters.total", reason="config.json holds no count"))
    if parts.whole.has("vision_config") and (parameters is None or parameters.vision is None):
        reason = "the weights of the vision part are not derived from the config"
        found.append(Unknown(field="parameters.vision", reason=reason))
    return found


def _confidence(shape: LanguageShape, parts: _Parts) -> ShapeConfidence:
    if shape.unproved is not None:
        return "reported"
    return "derived" if parts.model_type in UNVERIFIED | _LATER else "exact"


def _evidence(parts: _Parts, source: str) -> tuple[Evidence, ...]:
    read = Evidence(fields=_FROM_CONFIG, basis="exact", source=source)
    assumed = list(dict.fromkeys(parts.text.assumed))
    if not assumed:
        return (read,)
    default = Evidence(
        fields=("blocks", "layout", "tied_embeddings"),
        basis="assumed",
        source=f"defaults of the {parts.model_type} class in transformers",
        note=", ".join(assumed),
    )
    return read, default
