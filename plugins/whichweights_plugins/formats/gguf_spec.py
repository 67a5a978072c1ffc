"""From the header of a GGUF file to its ModelSpec: the tensors tell the shape, the metadata the
rest."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Final

from whichweights_plugins.formats._config_shape import distinct
from whichweights_plugins.formats._gguf_blocks import read_block
from whichweights_plugins.formats._gguf_layers import LayerReader, window_note
from whichweights_plugins.formats._gguf_parsing import GgufTensor
from whichweights_plugins.formats._gguf_tensors import Tensors
from whichweights_plugins.formats._gguf_types import FILE_TYPES, GUESSED_FILE_TYPE
from whichweights_plugins.formats._malformed import malformed
from whichweights_plugins.formats.gguf_header import GgufHeader
from whichweights_schemas.errors import UnsupportedArchitecture
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import Block, ModelSpec, ParameterCounts
from whichweights_schemas.quantization import Quantization

__all__ = ["quantization_of", "spec_from_gguf"]

_BLOCK: Final = re.compile(r"^(?:blk|enc\.blk|dec\.blk)\.(\d+)\.(.+)$", re.ASCII)
_MAX_BLOCKS: Final = 4096
_SHARE_SHOWN: Final = 0.02
_MAX_TEXT: Final = 200
_FROM_FILE: Final = (
    *("architecture", "parameters", "hidden_size", "vocab_size", "tied_embeddings", "blocks"),
    *("layout", "mtp_layers", "max_context_tokens", "native"),
)
_K_QUANTS: Final = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
_OUTSIDE: Final = ("token_embd.weight", "output.weight", "output_norm.weight", "output.bias")


def spec_from_gguf(header: GgufHeader, *, model_id: str, source: str = "GGUF header") -> ModelSpec:
    """The architecture facts of a model file; of a split one, take `merge_splits` first.

    Raises:
        UnsupportedArchitecture: the file holds no language model (a vision projector, an adapter).
        MalformedFile: blocks are missing, or the metadata makes no sense.
    """
    if header.content != "model" or header.architecture == "":
        raise UnsupportedArchitecture(
            f"{model_id} holds no language model, but {_CONTENTS[header.content]}",
            field="model",
            hint="Name the model's own .gguf file.",
        )
    if header.split_count > header.parts:
        raise malformed(f"{header.parts} of {header.split_count} parts of a split GGUF")
    outside, groups = _grouped(header)
    hidden = _hidden(header, outside)
    count, drafts = _layer_count(header, groups)
    blocks, missing = _blocks(header, groups, hidden, count)
    distinct_blocks, layout = distinct(blocks)
    draft = ModelSpec(
        id=model_id,
        display_name=(header.text("general.name") or model_id.rpartition("/")[2])[:_MAX_TEXT],
        base_model=_base_model(header),
        architecture=header.architecture[:_MAX_TEXT],
        confidence="reported" if missing else "exact",
        license=(header.text("general.license") or "")[:_MAX_TEXT] or None,
        parameters=_parameters(header, [groups[index] for index in drafts]),
        hidden_size=hidden,
        blocks=distinct_blocks,
        layout=layout,
        mtp_layers=len(drafts),
        max_context_tokens=header.integer(f"{header.architecture}.context_length"),
        extended_context_tokens=_extended(header),
        native=quantization_of(header),
        languages=_languages(header),
        notes=_notes(header),
        unknown=_gaps(missing),
        evidence=(Evidence(fields=_FROM_FILE, basis="exact", source=source),),
    )
    return draft.model_copy(update=_outside_fields(outside, blocks))


def _blocks(
    header: GgufHeader, groups: dict[int, dict[str, GgufTensor]], hidden: int, count: int
) -> tuple[list[Block], list[str]]:
    """The layers in order, and the names of tensors that were expected and are not there."""
    reader = LayerReader(header, hidden)
    blocks: list[Block] = []
    missing: list[str] = []
    for index in range(count):
        bag = Tensors(groups[index])
        blocks.append(read_block(bag, reader.layer(index)))
        missing += [f"blk.{index}.{name}" for name in bag.missing]
    return blocks, missing


def _parameters(header: GgufHeader, drafts: list[dict[str, GgufTensor]]) -> ParameterCounts:
    draft_weights = sum(tensor.elements for block in drafts for tensor in block.values())
    return ParameterCounts(
        total=header.weights,
        total_basis="exact",
        language=header.weights - draft_weights,
        vision=0,
        mtp=draft_weights,
    )


def _outside_fields(outside: Tensors, blocks: list[Block]) -> dict[str, object]:
    """The fields of ModelSpec that describe what lies outside the blocks."""
    return {
        "kind": "encoder" if any(b.attention.kind == "encoder" for b in blocks) else None,
        "vocab_size": outside.side("token_embd.weight", 1),
        "tied_embeddings": not outside.has("output.weight"),
        "lm_head_bias": outside.has("output.bias"),
        "learned_positions": outside.side("position_embd.weight", 1),
        "final_norm": outside.has("output_norm.weight"),
        "extra_parameters": _extra(outside, blocks[-1].norm_bias),
    }


_CONTENTS: Final = {
    "model": "no architecture",
    "mmproj": "a vision or audio projector",
    "adapter": "an adapter",
    "imatrix": "an importance matrix",
    "vocabulary": "a vocabulary",
}


def quantization_of(header: GgufHeader) -> Quantization:
    """The file's format: the stated file type, the exact mean of its bits, and its mixture."""
    stated = header.integer("general.file_type")
    by_type = header.bytes_by_type
    name = FILE_TYPES.get(stated & ~GUESSED_FILE_TYPE) if stated is not None else None
    if name is None:
        main = next(iter(by_type), "F16")
        name = _K_QUANTS.get(main, main)
    total, weights = header.tensor_bytes, header.weights
    shares = [
        f"{kind} {100 * size / total:.0f} %"
        for kind, size in by_type.items()
        if size >= _SHARE_SHOWN * total
    ]
    bits = 8 * total / weights if weights else None
    return Quantization(
        format=name,
        container="gguf",
        bits_per_weight=bits,
        note="by bytes: " + ", ".join(shares) if len(shares) > 1 else None,
    )


def _grouped(header: GgufHeader) -> tuple[Tensors, dict[int, dict[str, GgufTensor]]]:
    """Tensors outside the blocks, and those of each block without the prefix of their name."""
    outside: dict[str, GgufTensor] = {}
    groups: defaultdict[int, dict[str, GgufTensor]] = defaultdict(dict)
    for tensor in header.tensors:
        match = _BLOCK.match(tensor.name)
        if match is None or len(match[1]) > 5:
            outside[tensor.name] = tensor
        else:
            groups[int(match[1])][match[2]] = tensor
    return Tensors(outside), groups


def _layer_count(
    header: GgufHeader, groups: dict[int, dict[str, GgufTensor]]
) -> tuple[int, tuple[int, ...]]:
    """Layers of the model, and the numbers of the draft layers behind them."""
    stated = header.integer(f"{header.architecture}.block_count")
    if stated is None or not 1 <= stated <= _MAX_BLOCKS:
        raise malformed("the GGUF metadata does not say how many blocks there are")
    drafts = header.integer(f"{header.architecture}.nextn_predict_layers") or 0
    count = stated - drafts if 0 <= drafts < stated else stated
    absent = [index for index in range(count) if not groups.get(index)]
    if absent:
        raise malformed(f"block {absent[0]} of the GGUF file has no tensors")
    return count, tuple(sorted(index for index in groups if index >= count))


def _hidden(header: GgufHeader, outside: Tensors) -> int:
    stated = header.integer(f"{header.architecture}.embedding_length")
    hidden = stated or outside.side("token_embd.weight", 0)
    if not 0 < hidden < 2**32 or not outside.has("token_embd.weight"):
        raise malformed("the GGUF file has no token embedding")
    return hidden


def _extra(outside: Tensors, biased_norms: bool) -> int:
    """Whole-model tensors that ModelSpec has no field for; rotary tables are among them."""
    outside.take_if(*_OUTSIDE)
    outside.take_if("position_embd.weight")
    if biased_norms:
        outside.take_if("output_norm.bias")
    return sum(tensor.elements for tensor in outside.left().values())


def _extended(header: GgufHeader) -> int | None:
    prefix = f"{header.architecture}.rope.scaling"
    factor = header.metadata.get(f"{prefix}.factor")
    original = header.integer(f"{prefix}.original_context_length")
    window = header.integer(f"{header.architecture}.context_length")
    if not isinstance(factor, float) or not 1 <= factor <= 1e6 or not original or not window:
        return None
    extended = int(factor * original)
    return extended if extended > window else None


def _base_model(header: GgufHeader) -> str | None:
    """The repository the file was made from, as its metadata names it."""
    url = header.text("general.base_model.0.repo_url") or ""
    match = re.match(r"https://huggingface\.co/([\w.-]{1,96}/[\w.-]{1,96})/?$", url, re.ASCII)
    return match[1] if match else None


def _languages(header: GgufHeader) -> tuple[str, ...]:
    values = header.values("general.languages") or ()
    return tuple(str(tag)[:20] for tag in values if isinstance(tag, str))


def _notes(header: GgufHeader) -> tuple[str, ...]:
    found: list[str] = []
    if header.parts > 1:
        found.append(f"split into {header.parts} files")
    entries = header.integer("quantize.imatrix.entries_count")
    chunks = header.integer("quantize.imatrix.chunks_count")
    if header.text("quantize.imatrix.file") is not None or entries is not None:
        detail = f": {entries} tensors, {chunks} chunks" if entries and chunks else ""
        found.append(f"quantized with an importance matrix{detail}")
    ignored = window_note(header)
    return (*found, ignored) if ignored else tuple(found)


def _gaps(missing: list[str]) -> tuple[Unknown, ...]:
    if not missing:
        return ()
    some = ", ".join(name[:60] for name in missing[:3])
    reason = f"tensors of a known kind of layer are not in the file: {some}"
    return (Unknown(field="extra_parameters", reason=reason),)
