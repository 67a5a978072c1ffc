"""Safetensors headers built by hand: bytes, packed weights, and files that lie."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights_plugins.formats._malformed import MalformedFile, TruncatedFile
from whichweights_plugins.formats.safetensors_header import (
    LENGTH_BYTES,
    header_length,
    parse_header,
    read_header,
    weights_of,
)

WIDTH = {
    "BF16": 16,
    "F16": 16,
    "F32": 32,
    "U8": 8,
    "I8": 8,
    "I32": 32,
    "U32": 32,
    "I64": 64,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F4": 4,
}
Tensors = dict[str, tuple[str, list[int]]]


def header(tensors: Tensors, metadata: dict[str, str] | None = None) -> bytes:
    """What a safetensors file with these tensors starts with."""
    document: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = math.prod(shape) * WIDTH[dtype] // 8
        document[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + size]}
        end += size
    return encoded(document)


def encoded(document: object) -> bytes:
    text = json.dumps(document).encode()
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


DENSE: Tensors = {
    "model.embed_tokens.weight": ("BF16", [100, 64]),
    "model.layers.0.mlp.up_proj.weight": ("BF16", [128, 64]),
    "model.norm.weight": ("F32", [64]),
}
GPTQ: Tensors = {
    "l.q_proj.qweight": ("I32", [64 // 8, 32]),
    "l.q_proj.qzeros": ("I32", [1, 4]),
    "l.q_proj.scales": ("F16", [1, 32]),
    "l.q_proj.g_idx": ("I32", [64]),
    "l.q_proj.bias": ("F16", [32]),
}
COMPRESSED: Tensors = {
    "l.q_proj.weight_packed": ("I32", [32, 64 // 8]),
    "l.q_proj.weight_scale": ("BF16", [32, 1]),
    "l.q_proj.weight_shape": ("I64", [2]),
}
MXFP4: Tensors = {
    "mlp.experts.down_proj_blocks": ("U8", [4, 32, 2, 16]),
    "mlp.experts.down_proj_scales": ("U8", [4, 32, 2]),
    "mlp.experts.down_proj_bias": ("BF16", [4, 32]),
}
NVFP4: Tensors = {
    "l.up_proj.weight": ("U8", [32, 64 // 2]),
    "l.up_proj.weight_scale": ("F8_E4M3", [32, 64 // 16]),
    "l.up_proj.weight_scale_2": ("F32", []),
    "l.up_proj.input_scale": ("F32", []),
}
NF4: Tensors = {
    "l.up_proj.weight": ("U8", [1024, 1]),
    "l.up_proj.weight.absmax": ("U8", [32]),
    "l.up_proj.weight.nested_absmax": ("F32", [1]),
    "l.up_proj.weight.nested_quant_map": ("F32", [256]),
    "l.up_proj.weight.quant_map": ("F32", [16]),
    "l.up_proj.weight.quant_state.bitsandbytes__nf4": ("U8", [80]),
}
MLX: Tensors = {
    "l.up_proj.weight": ("U32", [32, 64 // 8]),
    "l.up_proj.scales": ("BF16", [32, 1]),
    "l.up_proj.biases": ("BF16", [32, 1]),
}
FP8: Tensors = {
    "l.up_proj.weight": ("F8_E4M3", [32, 64]),
    "l.up_proj.weight_scale_inv": ("F32", [1, 1]),
}
INT8: Tensors = {"l.up_proj.weight": ("I8", [32, 64]), "l.up_proj.SCB": ("F32", [32])}


def test_a_header_gives_exact_bytes_and_counts() -> None:
    data = header(DENSE, {"format": "pt"})
    found = parse_header(data)
    assert found.metadata == {"format": "pt"}
    assert found.elements_by_dtype == {"BF16": 6400 + 8192, "F32": 64}
    assert found.bytes_by_dtype == {"BF16": 2 * 14_592, "F32": 256}
    assert found.file_bytes == len(data) + 2 * 14_592 + 256
    assert [tensor.name for tensor in found.tensors] == sorted(DENSE)


@pytest.mark.parametrize(
    ("tensors", "weights", "packed", "scales"),
    [
        (DENSE, 14_656, 0, 0),
        (GPTQ, 64 * 32 + 32, 64 * 32, 4 + 32 + 64),
        (COMPRESSED, 64 * 32, 64 * 32, 32 + 2),
        (MXFP4, 4 * 32 * 64 + 128, 4 * 32 * 64, 4 * 32 * 2),
        (NVFP4, 32 * 64, 32 * 64, 128 + 2),
        (NF4, 2048, 2048, 32 + 1 + 256 + 16 + 80),
        (MLX, 32 * 64, 32 * 64, 64),
        (FP8, 32 * 64, 0, 1),
        (INT8, 32 * 64, 0, 32),
    ],
    ids=["plain", "GPTQ", "compressed", "MXFP4", "NVFP4", "NF4", "MLX", "FP8", "INT8"],
)
def test_packed_elements_are_counted_as_the_weights_they_hold(
    tensors: Tensors, weights: int, packed: int, scales: int
) -> None:
    parsed = parse_header(header(tensors))
    found = weights_of([parsed])
    assert (found.weights, found.packed, found.scales) == (weights, packed, scales)
    assert found.total_bytes == parsed.data_bytes


def test_other_widths_of_packed_codes_come_from_the_config() -> None:
    parsed = parse_header(header({"l.qweight": ("I32", [3, 32]), "l.scales": ("F16", [1, 32])}))
    assert weights_of([parsed], bits=3).weights == 32 * 32
    assert weights_of([parsed], bits=8).weights == 3 * 4 * 32


def test_shards_are_summed() -> None:
    first, second = (
        parse_header(header({name: ("BF16", [10, 10])})) for name in ("a.weight", "b.weight")
    )
    found = weights_of([first, second])
    assert (found.weights, found.total_bytes, found.bits_per_weight) == (200, 400, 16.0)


def test_scales_of_one_shard_serve_the_codes_of_another() -> None:
    codes = parse_header(header({"l.q_proj.qweight": ("I32", [8, 32])}))
    scales = parse_header(header({"l.q_proj.scales": ("F16", [1, 32])}))
    assert weights_of([codes, scales]).weights == 64 * 32


async def test_a_range_reader_is_asked_once_for_a_short_header_and_twice_for_a_long_one() -> None:
    data = header({f"t{index}.weight": ("BF16", [2]) for index in range(3000)})
    asked: list[tuple[int, int]] = []

    async def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return data[offset : offset + length]

    assert len((await read_header(read)).tensors) == 3000
    assert len(asked) == 2
    asked.clear()
    assert len((await read_header(read, first=2**20)).tensors) == 3000
    assert asked == [(0, 2**20)]


def test_a_cut_file_says_how_much_was_needed() -> None:
    data = header(DENSE)
    with pytest.raises(TruncatedFile) as caught:
        parse_header(data[:50])
    assert caught.value.needed == len(data)
    whole = parse_header(data).file_bytes
    with pytest.raises(TruncatedFile):
        parse_header(data, file_bytes=whole - 1)
    with pytest.raises(MalformedFile):
        parse_header(data, file_bytes=whole + 1)


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 2**63, 2**64 - 1])
def test_an_impossible_length_is_refused_before_anything_is_read(length: int) -> None:
    with pytest.raises(MalformedFile):
        header_length(length.to_bytes(8, "little"))


GOOD = {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"a": 1},
        {"a": {}},
        {"a": {**GOOD, "dtype": "Q4"}},
        {"a": {**GOOD, "shape": [2, 3]}},
        {"a": {**GOOD, "shape": [-2, -2]}},
        {"a": {**GOOD, "shape": [2**62, 2**62]}},
        {"a": {**GOOD, "shape": [1] * 99}},
        {"a": {**GOOD, "shape": [True, 4]}},
        {"a": {**GOOD, "data_offsets": [8, 0]}},
        {"a": {**GOOD, "data_offsets": [4, 12]}},
        {"a": GOOD, "b": GOOD},
        {"__metadata__": {"a": 1}},
        {"__metadata__": []},
    ],
)
def test_a_header_that_breaks_the_rules_is_refused(document: object) -> None:
    with pytest.raises(MalformedFile):
        parse_header(encoded(document))


@pytest.mark.parametrize(
    "text", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":{"dtype":1},"a":{"dtype":1}}']
)
def test_text_that_is_no_honest_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedFile):
        parse_header(len(text).to_bytes(8, "little") + text)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_typed_error_or_a_header(data: bytes) -> None:
    try:
        parse_header(data)
    except MalformedFile:
        return


@given(st.integers(0, 400), st.integers(0, 255))
def test_one_changed_byte_ends_in_a_typed_error_or_a_header(position: int, value: int) -> None:
    data = bytearray(header(DENSE))
    data[position % len(data)] = value
    try:
        parse_header(bytes(data))
    except MalformedFile:
        return
