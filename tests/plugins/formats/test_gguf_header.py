"""GGUF headers: real files compared tensor by tensor, hostile ones refused within bounds."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from gguf_files import by_hand, gguf, pair, tensor, text, written
from hypothesis import given, settings
from hypothesis import strategies as st

from whichweights.planning.formats import BLOCK_TYPES, FILE_TYPES
from whichweights_plugins.formats import _gguf_types
from whichweights_plugins.formats._gguf_parsing import (
    KEPT_TEXT_BYTES,
    MAX_HEADER_BYTES,
    HeaderParser,
)
from whichweights_plugins.formats._malformed import MalformedFile, TruncatedFile
from whichweights_plugins.formats.gguf_header import (
    GgufArray,
    GgufHeader,
    merge_splits,
    parse_gguf,
    read_gguf,
    split_name,
)

MAINLINE = [
    row.name
    for row in _gguf_types.TENSOR_TYPES.values()
    if row.name in gguf.GGMLQuantizationType.__members__
]
ROW = 256


def test_a_file_of_every_type_is_read_tensor_by_tensor(tmp_path: Path) -> None:
    names = {f"blk.{index}.{kind.lower()}.weight": kind for index, kind in enumerate(MAINLINE)}
    shapes = {name: (ROW, 3 + index % 4) for index, name in enumerate(names)}
    path = written(tmp_path / "all.gguf", "llama", {"block_count": 1}, shapes, names)
    found = parse_gguf(path.read_bytes(), file_bytes=path.stat().st_size)
    known = {row.name: row for row in gguf.GGUFReader(path).tensors}
    assert {row.name for row in found.tensors} == set(known)
    for row in found.tensors:
        other = known[row.name]
        assert row.type_name == other.tensor_type.name == names[row.name]
        assert row.shape == tuple(int(side) for side in other.shape)
        assert (row.size_bytes, row.elements) == (int(other.n_bytes), int(other.n_elements))
        assert found.data_offset + row.offset == int(other.data_offset)


def test_the_types_are_those_of_the_gguf_package() -> None:
    sizes = {
        kind.value: (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGML_QUANT_SIZES
    }
    ours = {number: tuple(row) for number, row in _gguf_types.TENSOR_TYPES.items()}
    assert {number: sizes[number] for number in ours if number in sizes} == {
        number: row for number, row in ours.items() if number in sizes
    }
    assert set(sizes) <= set(ours)


def test_the_types_and_file_types_are_those_the_server_plans_with() -> None:
    for row in _gguf_types.TENSOR_TYPES.values():
        if row.name in BLOCK_TYPES:
            known = BLOCK_TYPES[row.name]
            assert (known.block_weights, known.block_bytes) == (row.block, row.size)
    assert {kind.file_type_id: kind.name for kind in FILE_TYPES.values()} == dict(
        _gguf_types.FILE_TYPES
    )


def test_metadata_of_every_kind_is_read(tmp_path: Path) -> None:
    metadata = {
        "general.name": "A model",
        "block_count": 3,
        "rope.freq_base": 10_000.0,
        "attention.causal": False,
        "attention.head_count_kv": [8, 0, 8],
        "tokenizer.ggml.tokens": [f"piece {index}" for index in range(5000)],
        "tokenizer.ggml.scores": [0.5] * 5000,
    }
    path = written(tmp_path / "a.gguf", "llama", metadata, {"token_embd.weight": (32, 4)})
    found = parse_gguf(path.read_bytes())
    assert (found.architecture, found.text("general.name")) == ("llama", "A model")
    assert found.integer("llama.block_count") == 3
    assert found.metadata["llama.rope.freq_base"] == 10_000.0
    assert found.metadata["llama.attention.causal"] is False
    assert found.values("llama.attention.head_count_kv") == (8, 0, 8)
    assert found.metadata["tokenizer.ggml.tokens"] == GgufArray(5000)
    assert found.metadata["tokenizer.ggml.scores"] == GgufArray(5000)


@pytest.mark.parametrize(("pieces", "reads"), [(10, 1), (200_000, 2)])
async def test_a_range_reader_is_asked_for_no_more_than_the_header(
    tmp_path: Path, pieces: int, reads: int
) -> None:
    metadata = {"tokenizer.ggml.tokens": [f"piece {index}" for index in range(pieces)]}
    path = written(tmp_path / "a.gguf", "llama", metadata, {"token_embd.weight": (1024, 4096)})
    data = path.read_bytes()
    asked: list[int] = []

    async def read(offset: int, length: int) -> bytes:
        asked.append(length)
        return data[offset : offset + length]

    found = await read_gguf(read, file_bytes=len(data))
    assert [row.name for row in found.tensors] == ["token_embd.weight"]
    assert len(asked) == reads
    assert sum(asked) <= 4 * 2**20


async def test_a_file_that_ends_inside_its_header_is_told_from_a_whole_one() -> None:
    data = by_hand([pair("a", 8, text("b" * 100))])

    async def read(offset: int, length: int) -> bytes:
        return data[offset : min(offset + length, len(data) - 1)]

    with pytest.raises(TruncatedFile):
        await read_gguf(read)


def test_the_bytes_may_come_in_any_pieces(tmp_path: Path) -> None:
    metadata = {"tokenizer.ggml.tokens": [f"piece {index}" for index in range(6000)]}
    shapes = {f"blk.{index}.w.weight": (32, 2) for index in range(20)}
    data = written(tmp_path / "a.gguf", "llama", metadata, shapes).read_bytes()
    whole = parse_gguf(data)
    parser = HeaderParser()
    for start in range(0, len(data), 1000):
        if not parser.done:
            parser.feed(data[start : start + 1000])
    assert parser.done
    assert tuple(parser.tensors) == whole.tensors
    assert parser.metadata == dict(whole.metadata)


def test_tensors_beyond_the_end_of_the_file_mean_a_broken_download(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "llama", {}, {"a.weight": (32, 4), "b.weight": (32, 4)})
    size = path.stat().st_size
    parse_gguf(path.read_bytes(), file_bytes=size)
    with pytest.raises(TruncatedFile):
        parse_gguf(path.read_bytes(), file_bytes=size - 1)


def test_version_two_is_read_like_version_three() -> None:
    pairs = [pair("general.architecture", 8, text("llama"))]
    for version in (2, 3):
        found = parse_gguf(by_hand(pairs, [tensor("a", (4,))], version=version))
        assert (found.version, found.architecture) == (version, "llama")


def _part(number: int, names: list[str], total: int = 4) -> GgufHeader:
    pairs = [
        pair("split.no", 2, struct.pack("<H", number)),
        pair("split.count", 2, struct.pack("<H", 2)),
        pair("split.tensors.count", 5, struct.pack("<i", total)),
    ]
    tensors = [tensor(name, (8,), 0, 32 * index) for index, name in enumerate(names)]
    return parse_gguf(by_hand(pairs, tensors))


def test_the_parts_of_a_split_model_make_one_header_in_any_order() -> None:
    whole = merge_splits([_part(1, ["c", "d"]), _part(0, ["a", "b"])])
    assert [row.name for row in whole.tensors] == ["a", "b", "c", "d"]
    assert (whole.parts, whole.tensor_bytes) == (2, 4 * 32)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(0, ["a", "b"])],
        [(0, ["a", "b"]), (0, ["c", "d"])],
        [(0, ["a", "b"]), (1, ["b", "c"])],
        [(0, ["a", "b"]), (1, ["c"])],
    ],
)
def test_parts_that_do_not_make_a_whole_are_refused(parts: list[tuple[int, list[str]]]) -> None:
    with pytest.raises(MalformedFile):
        merge_splits([_part(number, names) for number, names in parts])


def test_the_name_of_a_part_says_which_of_how_many() -> None:
    found = split_name("Qwen3-235B-Q4_K_M-00002-of-00003.gguf")
    assert found is not None
    assert (found.stem, found.number, found.count) == ("Qwen3-235B-Q4_K_M", 2, 3)
    for name in ("model.gguf", "a-00004-of-00003.gguf", "a-00000-of-00003.gguf", "a-1-of-2.gguf"):
        assert split_name(name) is None


NESTED = struct.pack("<IQ", 9, 1)
HOSTILE = {
    "no magic": b"NOPE" + bytes(20),
    "version 1": by_hand(version=1),
    "version 4": by_hand(version=4),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "too many tensors": by_hand(counts=(2**63, 0)),
    "too many keys": by_hand(counts=(0, 2**63)),
    "key of 2^60 bytes": by_hand([struct.pack("<Q", 2**60)]),
    "empty key": by_hand([pair("", 4, bytes(4))]),
    "key twice": by_hand([pair("a", 4, bytes(4)), pair("a", 4, bytes(4))]),
    "text of 2^63 bytes": by_hand([pair("a", 8, struct.pack("<Q", 2**63))]),
    "unknown value type": by_hand([pair("a", 13, bytes(8))]),
    "boolean 2": by_hand([pair("a", 7, b"\x02")]),
    "array of 2^62 numbers": by_hand([pair("a", 9, struct.pack("<IQ", 12, 2**62))]),
    "array of 2^62 texts": by_hand([pair("a", 9, struct.pack("<IQ", 8, 2**62))]),
    "array of an unknown type": by_hand([pair("a", 9, struct.pack("<IQ", 77, 1))]),
    "arrays in arrays": by_hand([pair("a", 9, NESTED * 50 + bytes(100))]),
    "wide nested arrays": by_hand([pair("a", 9, struct.pack("<IQ", 9, 2**40))]),
    "nine dimensions": by_hand(tensors=[tensor("a", (1,) * 9)]),
    "2^32 dimensions": by_hand(tensors=[text("a") + struct.pack("<I", 2**32 - 1)]),
    "overflowing shape": by_hand(tensors=[tensor("a", (2**63, 2**63))]),
    "row that does not fill a block": by_hand(tensors=[tensor("a", (100,), 12)]),
    "removed type": by_hand(tensors=[tensor("a", (32,), 4)]),
    "unknown type": by_hand(tensors=[tensor("a", (32,), 4000)]),
    "tensor twice": by_hand(tensors=[tensor("a", (8,)), tensor("a", (8,), 0, 32)]),
    "overlapping tensors": by_hand(tensors=[tensor("a", (32,)), tensor("b", (32,), 0, 64)]),
    "unaligned tensor": by_hand(tensors=[tensor("a", (32,), 0, 7)]),
    "offset of 2^63": by_hand(tensors=[tensor("a", (32,), 0, 2**63)]),
    "alignment 0": by_hand([pair("general.alignment", 4, bytes(4))], [tensor("a", (32,))]),
    "alignment 3": by_hand([pair("general.alignment", 4, b"\x03\0\0\0")], [tensor("a", (32,))]),
    "unnamed tensor": by_hand(tensors=[tensor("", (32,))]),
    "nothing": b"",
    "cut off": by_hand([pair("a", 8, text("b"))])[:-1],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_ends_in_a_typed_error(name: str) -> None:
    with pytest.raises(MalformedFile):
        parse_gguf(HOSTILE[name])


def test_hostile_headers_cost_neither_memory_nor_time() -> None:
    began = time.perf_counter()
    tracemalloc.start()
    for data in HOSTILE.values():
        with pytest.raises(MalformedFile):
            parse_gguf(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
    assert time.perf_counter() - began < 20


async def test_a_header_without_end_stops_at_the_limit() -> None:
    start = by_hand([pair("a", 9, struct.pack("<IQ", 8, 2**23))], counts=(0, 1))
    served = 0

    async def read(offset: int, length: int) -> bytes:
        nonlocal served
        served += length
        return (start + bytes(length))[offset : offset + length] if offset == 0 else bytes(length)

    with pytest.raises(MalformedFile):
        await read_gguf(read)
    assert served <= MAX_HEADER_BYTES


def test_long_texts_are_cut_and_broken_ones_repaired() -> None:
    pairs = [pair("a", 8, text("x" * (KEPT_TEXT_BYTES + 5))), pair("b", 8, text(b"\xff\xfe"))]
    found = parse_gguf(by_hand(pairs))
    assert len(found.text("a") or "") == KEPT_TEXT_BYTES
    assert found.text("b") == "\ufffd\ufffd"


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_typed_error_or_a_header(data: bytes) -> None:
    for candidate in (data, b"GGUF\x03\0\0\0" + data):
        try:
            parse_gguf(candidate)
        except MalformedFile:
            continue


SAMPLE = by_hand(
    [
        pair("general.architecture", 8, text("llama")),
        pair("llama.block_count", 4, struct.pack("<I", 1)),
        pair("llama.attention.head_count_kv", 9, struct.pack("<IQ3I", 4, 3, 8, 0, 8)),
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("b")),
    ],
    [tensor("token_embd.weight", (32, 4)), tensor("blk.0.attn_q.weight", (256, 2), 12, 512)],
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), max_size=4))
def test_changed_bytes_end_in_a_typed_error_or_a_header(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SAMPLE)
    for position, value in changes:
        data[position] = value
    try:
        parse_gguf(bytes(data))
    except MalformedFile:
        return


@given(st.integers(0, len(SAMPLE) - 1))
def test_every_cut_is_recognised_as_such(length: int) -> None:
    with pytest.raises(TruncatedFile) as caught:
        parse_gguf(SAMPLE[:length])
    assert length < caught.value.needed <= len(SAMPLE)
