"""From what ollama says of a model to its ModelSpec, by the names that GGUF files use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, cast

from whichweights_plugins.formats._config_shape import distinct
from whichweights_plugins.formats._gguf_layers import LayerReader
from whichweights_plugins.formats._gguf_tensors import LayerFacts
from whichweights_plugins.formats._gguf_types import TENSOR_TYPES
from whichweights_plugins.formats._malformed import MalformedFile
from whichweights_plugins.formats.gguf_header import GgufArray, GgufHeader, GgufTensor, GgufValue
from whichweights_plugins.formats.gguf_spec import spec_from_gguf
from whichweights_schemas.attention import FullAttention, SlidingAttention
from whichweights_schemas.errors import UnsupportedArchitecture
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ExpertsFeedForward,
    ModelSpec,
    ParameterCounts,
)
from whichweights_schemas.quantization import Quantization

__all__ = ["lacks_arrays", "spec_from_show"]

_MAX: Final = 2**53
_MAX_LAYERS: Final = 4096
_MAX_TENSORS: Final = 200_000
_KEPT_VALUES: Final = 4096
_TYPES: Final = {kind.name: kind for kind in TENSOR_TYPES.values()}
_OTHER_MIXERS: Final = ("ssm.", "attention.kv_lora_rank", "shortconv.", "wkv.", "time_mix")
"""Keys of layers whose cache plain heads do not describe."""

Json = Mapping[str, object]


def lacks_arrays(show: Json) -> bool:
    """Whether numbers that differ from layer to layer were left out: ollama tells them if asked
    to be verbose."""
    info = _mapping(show.get("model_info"))
    return any(
        value is None or value == []
        for key, value in info.items()
        if not key.startswith(("tokenizer.", "general."))
    )


def spec_from_show(
    show: Json, *, model_id: str, size_bytes: int | None, digest: str | None, version: str
) -> ModelSpec:
    """The spec of an installed model; its shape is exact where ollama lists the tensors.

    Raises UnsupportedArchitecture for a model that runs elsewhere or holds no language model.
    """
    if show.get("remote_host") or show.get("remote_model"):
        raise UnsupportedArchitecture(
            f"{model_id} runs on another machine: its weights are not installed here",
            field="model",
            hint="name an installed model, or the open-weight model itself",
        )
    source = f"ollama {version}, /api/show"
    details = _mapping(show.get("details"))
    header = _header(_mapping(show.get("model_info")), show.get("tensors"))
    spec = _from_tensors(header, model_id, source)
    if spec is None:
        spec = _from_metadata(header, model_id, source)
    found = _abilities(show.get("capabilities"))
    sizes = Evidence(fields=("stored_bytes",), basis="exact", source=f"ollama {version}, /api/tags")
    notes = (
        ("ollama keeps a vision projector beside the model",) if show.get("projector_info") else ()
    )
    return spec.model_copy(
        update={
            **found,
            "revision": digest,
            "display_name": model_id.partition(":")[2],
            "family": _text(details.get("family")),
            "native": _quantization(details, spec.native),
            "stored_bytes": size_bytes,
            "notes": (*spec.notes, *notes),
            "evidence": (*spec.evidence, sizes) if size_bytes is not None else spec.evidence,
        }
    )


def _from_tensors(header: GgufHeader, model_id: str, source: str) -> ModelSpec | None:
    """As of the file itself; None where ollama lists no tensors, or not in a form known here."""
    if not header.tensors:
        return None
    try:
        return spec_from_gguf(header, model_id=model_id, source=source)
    except MalformedFile:
        return None


def _header(info: Json, tensors: object) -> GgufHeader:
    metadata = {
        key: value for key, raw in list(info.items())[:10_000] if (value := _value(raw)) is not None
    }
    return GgufHeader(3, metadata, _tensors(tensors, metadata), 32, 0)


def _value(raw: object) -> GgufValue | None:
    if isinstance(raw, bool | str | float):
        return raw
    if isinstance(raw, int):
        return raw if abs(raw) <= _MAX else None
    if isinstance(raw, list) and raw:
        items = cast("list[object]", raw)
        kept = items if len(items) <= _KEPT_VALUES else []
        values = [value for value in kept if isinstance(value, bool | str | float | int)]
        return GgufArray(len(items), tuple(values))
    return None


def _tensors(raw: object, metadata: Mapping[str, GgufValue]) -> tuple[GgufTensor, ...]:
    """The list of tensors; empty where one of them has a form that is not known here."""
    rows = cast("list[object]", raw)[: _MAX_TENSORS + 1] if isinstance(raw, list) else []
    found = [_tensor(_mapping(row)) for row in rows]
    whole = [tensor for tensor in found if tensor is not None]
    if len(whole) < len(found) or len(found) > _MAX_TENSORS:
        return ()
    return tuple(whole) if len({tensor.name for tensor in whole}) == len(whole) else ()


def _tensor(row: Json) -> GgufTensor | None:
    name, kind, raw = row.get("name"), _TYPES.get(str(row.get("type")).upper()), row.get("shape")
    if not isinstance(name, str) or kind is None or not isinstance(raw, list):
        return None
    shape = [side for side in cast("list[object]", raw) if _is_count(side)]
    if not 1 <= len(shape) <= 4 or len(shape) != len(cast("list[object]", raw)):
        return None
    sides = cast("tuple[int, ...]", tuple(shape))
    elements = math.prod(sides)
    if elements > _MAX or sides[0] % kind.block:
        return None
    return GgufTensor(name[:1024], sides, kind.name, 0, elements // kind.block * kind.size)


def _from_metadata(header: GgufHeader, model_id: str, source: str) -> ModelSpec:
    """Heads, windows and widths without the tensors: enough for the cache, not for the weights."""
    prefix = header.architecture
    total = header.integer("general.parameter_count")
    count = header.integer(f"{prefix}.block_count") or 0
    hidden = header.integer(f"{prefix}.embedding_length") or 0
    problem = _problem(header, count, hidden)
    blocks: list[Block] = []
    if problem is None:
        try:
            reader = LayerReader(header, hidden)
            blocks = [_block(header, reader.layer(index)) for index in range(count)]
        except MalformedFile as error:
            problem = error.message
    if any(block.attention.kind not in ("full", "sliding") for block in blocks) or problem:
        blocks = []
    kinds, layout = distinct(blocks) if blocks else ((), ())
    field = "extra_parameters" if blocks else "blocks"
    unknown = [
        Unknown(field=field, reason=problem or "ollama lists no tensors: biases, norms and ties"),
    ]
    if total is None:
        unknown.append(Unknown(field="parameters.total", reason="ollama states no count"))
    return ModelSpec(
        id=model_id,
        display_name=model_id,
        architecture=prefix[:200] or None,
        parameters=ParameterCounts(total=total, total_basis="exact"),
        hidden_size=hidden or None,
        vocab_size=header.integer(f"{prefix}.vocab_size"),
        blocks=kinds,
        layout=layout,
        stated_layers=count or None,
        max_context_tokens=header.integer(f"{prefix}.context_length"),
        unknown=tuple(unknown),
        evidence=(Evidence(fields=("architecture", "parameters"), basis="exact", source=source),),
    )


def _problem(header: GgufHeader, count: int, hidden: int) -> str | None:
    """Why the metadata alone does not tell the layers."""
    if not 1 <= count <= _MAX_LAYERS or hidden < 1:
        return "ollama states neither tensors nor the number of layers"
    start = f"{header.architecture}."
    if any(
        key.startswith(tuple(start + name for name in _OTHER_MIXERS)) for key in header.metadata
    ):
        return "ollama lists no tensors, and the layers are not all of plain attention"
    if header.integer(f"{start}attention.head_count") is None and not header.values(
        f"{start}attention.head_count"
    ):
        return "ollama states no number of attention heads"
    return None


def _block(header: GgufHeader, facts: LayerFacts) -> Block:
    head = facts.head_dim or facts.hidden // max(1, facts.heads)
    attention: FullAttention | SlidingAttention = FullAttention(
        query_heads=facts.heads,
        kv_heads=facts.key_heads,
        head_dim=head,
        shares_kv=facts.shares_kv,
    )
    if facts.window:
        attention = SlidingAttention(
            query_heads=facts.heads,
            kv_heads=facts.key_heads,
            head_dim=head,
            shares_kv=facts.shares_kv,
            window=facts.window,
        )
    start = header.architecture
    experts = header.integer(f"{start}.expert_count") or 0
    width = header.integer(f"{start}.feed_forward_length") or 0
    if not experts:
        return Block(attention=attention, feed_forward=DenseFeedForward(width=width))
    return Block(
        attention=attention,
        feed_forward=ExpertsFeedForward(
            experts=experts,
            experts_per_token=min(facts.experts_used, experts),
            width=header.integer(f"{start}.expert_feed_forward_length") or width,
            shared_width=header.integer(f"{start}.expert_shared_feed_forward_length") or 0,
        ),
    )


def _quantization(details: Json, read: Quantization | None) -> Quantization | None:
    """The stated level as the name, the bits and the mixture of the tensors with it."""
    level = (_text(details.get("quantization_level")) or "").upper()
    if not level or level == "UNKNOWN":
        return read
    if read is not None:
        return read.model_copy(update={"format": level})
    container = "gguf" if details.get("format") in (None, "", "gguf") else "other"
    return Quantization(format=level, container=container)


def _abilities(raw: object) -> dict[str, object]:
    """What ollama says the model can do with its template; nothing where it does not say."""
    if not isinstance(raw, list) or not raw:
        return {}
    names = [str(name) for name in cast("list[object]", raw)]
    kinds = ["text", *(("image",) if "vision" in names else ())]
    found: dict[str, object] = {
        "tool_use": "tools" in names,
        "reasoning": "thinking" in names,
        "input_modalities": tuple(kinds),
    }
    if "tools" in names or "thinking" in names:
        found["kind"] = "instruct"
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX


def _mapping(value: object) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value[:100] if isinstance(value, str) and value else None
