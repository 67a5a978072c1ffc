"""GGUF files before they exist: against published sizes, and every tensor in one row."""

from __future__ import annotations

import json
from math import isclose
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import ALL, DEEPSEEK_V3, LLAMA_31_8B, QWEN3_32B

from whichweights.planning.formats import FILE_TYPES, header_from_known_file, header_of
from whichweights.planning.gguf_files import gguf_file, tensor_groups
from whichweights_plugins.knowledge.models import CatalogueProvider
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import NoSettings, ProviderContext

FILES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "benchmarks" / "data" / "gguf_files.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
JUDGED = [row for row in FILES if row["base"] is not None]
MADE = [name for name, kind in FILE_TYPES.items() if kind.made_by_llama_quantize]

# 2023's llama-quantize lifted four ffn_down instead of an eighth of the layers, Qwen's Q4_0 was
# made with an imatrix that its name does not tell, and converters drop the pooler of encoders.
OTHER_RULES = {"13b-v1.0.Q4_K_S": 0.2, "v2-13b.Q4_K_S": 0.2, "qwen2-1_5b": 0.3, "MiniLM": 2.5}
OTHER_TOKENIZER = {"Phi-3.1": 0.2, "stablelm": 0.05, "Llama-3-8B-Instruct.Q4_0": 0.02}


async def spec_of(row: dict[str, Any]) -> ModelSpec:
    async def at_once(function: Any, /, *args: Any) -> Any:
        return function(*args)

    catalogue = CatalogueProvider(ProviderContext("catalogue", NoSettings(), at_once))
    spec = await catalogue.spec(ModelRef(id=row["base"], provider="catalogue"))
    assert spec is not None
    size = row.get("vocab_size", spec.vocab_size)
    return spec.model_copy(update={"vocab_size": size})


@pytest.mark.parametrize("row", JUDGED, ids=lambda row: row["file"])
async def test_a_published_file_has_the_computed_size(row: dict[str, Any]):
    file = gguf_file(await spec_of(row), row["format"], imatrix=row.get("imatrix", False))
    assert file is not None
    exceptions = {**OTHER_RULES, **OTHER_TOKENIZER}
    allowed = next((most for part, most in exceptions.items() if part in row["file"]), 0.011)
    assert abs(100 * (file.bytes / row["file_bytes"] - 1)) <= allowed


async def test_the_mean_error_over_all_published_files_is_below_half_a_percent():
    errors: list[float] = []
    for row in JUDGED:
        file = gguf_file(await spec_of(row), row["format"], imatrix=row.get("imatrix", False))
        assert file is not None
        errors.append(abs(file.bytes / row["file_bytes"] - 1))
    assert len(errors) == 32
    assert sum(errors) / len(errors) < 0.005


async def test_one_known_file_tells_the_size_of_another_to_the_byte():
    small, large = [row for row in FILES if row["file"].startswith("codellama-7b")]
    spec = await spec_of(small)
    first, second = gguf_file(spec, "Q4_K_S"), gguf_file(spec, "Q6_K")
    assert first is not None
    assert second is not None
    header = header_from_known_file(small["file_bytes"], first.mixture.total_bytes)
    assert header.known
    assert second.mixture.total_bytes + header.bytes == large["file_bytes"]


def test_a_file_smaller_than_its_tensors_tells_no_header():
    with pytest.raises(ValueError, match="another mixture"):
        header_from_known_file(10, 11)


@given(
    vocabulary=st.integers(1, 300_000), family=st.sampled_from(["llama3", "qwen3", "gemma3", None])
)
def test_the_header_lies_in_its_band_and_grows_with_the_vocabulary(
    vocabulary: int, family: str | None
):
    one, more = header_of((), vocabulary, family), header_of((), vocabulary + 1000, family)
    assert one.low <= one.bytes <= one.high
    assert more.low > one.low
    assert one.bytes % 32 == 0


@settings(max_examples=60)
@given(spec=st.sampled_from(ALL), name=st.sampled_from(MADE), imatrix=st.booleans())
def test_every_tensor_of_a_file_stands_in_exactly_one_row(
    spec: ModelSpec, name: str, imatrix: bool
):
    file = gguf_file(spec, name, imatrix=imatrix)
    if file is None:
        return
    groups = tensor_groups(file.mixture)
    assert sum(group.count for group in groups) == len(file.mixture.tensors)
    assert sum(group.bytes for group in groups) == file.mixture.total_bytes
    low, high = file.band
    assert low <= file.bytes <= high


def test_the_rows_name_the_layers_and_the_rule():
    file = gguf_file(LLAMA_31_8B, "Q4_K_M")
    assert file is not None
    lifted = next(g for g in tensor_groups(file.mixture) if (g.part, g.type) == ("attn_v", "Q6_K"))
    assert lifted.layers == "0-3,6,9,12,15,18,21,24,27-31"
    assert (lifted.count, lifted.rule) == (16, "g")


def test_an_imatrix_changes_the_size_where_the_rule_asks_for_it():
    for name, smaller in (("IQ4_XS", True), ("Q4_0", False)):
        plain = gguf_file(LLAMA_31_8B, name, imatrix=False)
        measured = gguf_file(LLAMA_31_8B, name, imatrix=True)
        assert plain is not None
        assert measured is not None
        assert (measured.bytes < plain.bytes) == smaller


def test_the_name_tells_whether_an_imatrix_was_used():
    named, plain = gguf_file(LLAMA_31_8B, "i1-IQ4_XS"), gguf_file(LLAMA_31_8B, "IQ4_XS")
    assert named is not None
    assert plain is not None
    assert named.mixture.imatrix
    assert not plain.mixture.imatrix


def test_joined_tensors_follow_the_rule_of_values():
    phi = QWEN3_32B.model_copy(update={"architecture": "phi3"})
    file, apart = gguf_file(phi, "Q4_K_M"), gguf_file(QWEN3_32B, "Q4_K_M")
    assert file is not None
    assert apart is not None
    parts = {group.part for group in tensor_groups(file.mixture)}
    assert "attn_qkv" in parts
    assert parts.isdisjoint({"attn_q", "attn_k", "attn_v", "ffn_gate"})
    assert file.mixture.weights == apart.mixture.weights
    assert file.bytes > apart.bytes


def test_rows_no_block_divides_are_shown_with_the_reason():
    file = gguf_file(DEEPSEEK_V3, "Q4_K_M")
    assert file is not None
    fallen = [group for group in tensor_groups(file.mixture) if group.rule == "m"]
    assert {group.part for group in fallen} == {"attn_k_b"}
    assert isclose(sum(g.bytes for g in fallen), 61 * 128 * 512 * 128 * 22 / 32, rel_tol=1e-6)
