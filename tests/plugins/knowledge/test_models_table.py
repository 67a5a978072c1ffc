"""The shipped table of models: complete, sourced, consistent, and right about the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from whichweights_plugins.knowledge._tables import load_rows, table_bytes, table_names
from whichweights_plugins.knowledge.building import models as builder
from whichweights_plugins.knowledge.building.__main__ import main
from whichweights_plugins.knowledge.building._builder import MAX_BYTES, all_builders, write_rows
from whichweights_schemas.attention import (
    Attention,
    ChunkedAttention,
    FullAttention,
    LatentAttention,
    LinearAttention,
    ParallelMixers,
    SlidingAttention,
    StateSpace,
)
from whichweights_schemas.models import ModelSpec

DATA = Path(__file__).resolve().parents[2] / "data"
CACHE: dict[str, list[int]] = json.loads((DATA / "kv_bytes.json").read_text(encoding="utf-8"))[
    "models"
]
SPECS = {row["id"]: ModelSpec.model_validate(row) for row in load_rows("models")}


def test_every_row_has_a_source_with_a_date_and_fits_the_contract() -> None:
    assert builder.check(load_rows("models")) == []
    assert len(SPECS) == 371


def test_the_tables_stay_within_four_mib() -> None:
    assert sum(table_bytes(name) for name in table_names()) <= MAX_BYTES == 4 * 2**20


def test_every_shipped_table_has_a_builder() -> None:
    assert set(table_names()) <= {table.name for table in all_builders()}


def layer_bytes(attention: Attention) -> tuple[int, int, int, int]:
    """Per token, per token within the window, index keys per token, state: 16-bit, fp32 states."""
    match attention:
        case ParallelMixers():
            return layer_bytes(attention.attention)
        case FullAttention() | SlidingAttention() | ChunkedAttention():
            owned = 0 if attention.shares_kv else 2 * attention.kv_heads
            stored = owned * (attention.head_dim + attention.value_dim)
            return (stored, 0, 0, 0) if attention.kind == "full" else (0, stored, 0, 0)
        case LatentAttention():
            index = 2 * attention.indexer.head_dim if attention.indexer else 0
            return (2 * (attention.kv_lora_rank + attention.rope_head_dim), 0, index, 0)
        case LinearAttention():
            value = attention.value_heads * attention.value_head_dim
            channels = 2 * attention.key_heads * attention.key_head_dim + value
            convolution = channels * (attention.conv_kernel - 1) * 2
            return (0, 0, 0, value * attention.key_head_dim * 4 + convolution)
        case StateSpace():
            shared = 2 * attention.groups * attention.state_size if attention.version == 2 else 0
            convolution = (attention.inner_size + shared) * (attention.conv_kernel - 1) * 2
            return (0, 0, 0, attention.inner_size * attention.state_size * 4 + convolution)
        case _:
            return (0, 0, 0, 0)


def test_the_layers_reproduce_every_known_cache_figure_to_the_byte() -> None:
    wrong: dict[str, list[int]] = {}
    for identifier, figures in CACHE.items():
        spec = SPECS[identifier]
        assert spec.layout, identifier
        layers = [layer_bytes(spec.layer(index).attention) for index in range(len(spec.layout))]
        found = [sum(column) for column in zip(*layers, strict=True)]
        if found != figures:
            wrong[identifier] = found
    assert wrong == {}
    assert len(CACHE) == 338


@pytest.mark.parametrize(
    ("identifier", "gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 16.0),
        ("Qwen/Qwen3-30B-A3B", 12.0),
        ("deepseek-ai/DeepSeek-V3", 8.578),
        ("google/gemma-3-27b-it", 10.406),
    ],
)
def test_the_cache_of_131072_tokens_is_what_the_architecture_needs(
    identifier: str, gib: float
) -> None:
    spec = SPECS[identifier]
    total = 0
    for index in range(len(spec.layout)):
        attention = spec.layer(index).attention
        growing, windowed, _, _ = layer_bytes(attention)
        window = attention.window if isinstance(attention, SlidingAttention) else 0
        total += growing * 131072 + windowed * window
    assert abs(total / 2**30 - gib) < 0.001


def test_a_record_without_a_layer_schedule_gives_a_bound_or_a_reason_and_no_layers() -> None:
    bare = [spec for spec in SPECS.values() if not spec.layout]
    bounds = [spec for spec in bare if spec.cache_figure is not None]
    assert len(bounds) == 15
    assert all(spec.cache_figure and spec.cache_figure.upper_bound for spec in bounds)
    assert all(any(gap.field == "blocks" for gap in spec.unknown) for spec in bare)
    assert SPECS["LiquidAI/LFM2-1.2B"].stated_layers == 16


def test_unverified_values_are_named_by_fields_of_the_spec() -> None:
    counts = {f"parameters.{name}" for name in ("total", "language", "vision", "mtp", "active")}
    known = set(ModelSpec.model_fields) | counts
    for spec in SPECS.values():
        named = {*spec.unverified, *(field for entry in spec.evidence for field in entry.fields)}
        assert named <= known, spec.id
    assert "native" in SPECS["moonshotai/Kimi-K2-Thinking"].unverified


def test_the_window_the_maker_states_is_quoted_where_it_is_smaller() -> None:
    spec = SPECS["deepseek-ai/DeepSeek-V3"]
    assert spec.max_context_tokens == 131072
    assert spec.context_note is not None
    assert "163,840" in spec.context_note
    assert SPECS["Qwen/Qwen3-32B"].max_context_tokens == 40960
    assert SPECS["Qwen/Qwen3-32B"].extended_context_tokens == 131072


@pytest.mark.parametrize(
    ("identifier", "native"),
    [
        ("deepseek-ai/DeepSeek-V3", "FP8-block"),
        ("openai/gpt-oss-20b", "MXFP4"),
        ("Qwen/Qwen3-32B", "BF16"),
        ("MiniMaxAI/MiniMax-M2.5", "FP8-block"),
    ],
)
def test_the_native_format_is_the_one_the_maker_ships(identifier: str, native: str) -> None:
    found = SPECS[identifier].native
    assert found is not None
    assert found.format == native


def test_a_native_format_nobody_read_is_unknown_with_a_reason() -> None:
    spec = SPECS["moonshotai/Kimi-K2.5"]
    assert spec.native is None
    assert "native" in {gap.field for gap in spec.unknown}


def test_the_check_command_passes_on_the_shipped_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--only", "models"]) == 0
    assert "models: 371 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ({"evidence": []}, "no source"),
        ({"layout": [7]}, "layout and blocks"),
        ({"hidden_size": "wide"}, "do not fit"),
        ({"aliases": ["qwen3 32b"]}, "also means"),
    ],
)
def test_the_check_names_a_damaged_row(damage: dict[str, object], complaint: str) -> None:
    rows = [dict(row) for row in load_rows("models")]
    rows[0] = next(dict(row) for row in rows if row["id"] == "openai/gpt-oss-20b") | damage
    assert any(complaint in line for line in builder.check(rows))


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    rows = load_rows("models")
    write_rows("models", rows, tmp_path / "one")
    write_rows("models", rows, tmp_path / "two")
    first = (tmp_path / "one" / "models.jsonl.gz").read_bytes()
    assert first == (tmp_path / "two" / "models.jsonl.gz").read_bytes()
    assert len(first) == table_bytes("models")


def test_a_raw_record_becomes_a_row_and_an_empty_one_is_dropped(tmp_path: Path) -> None:
    record: dict[str, object] = {
        "repo_id": "maker/tiny-1b",
        "display_name": "tiny 1b",
        "family": "tiny",
        "aliases": ["tiny 1b"],
        "confidence": "exact",
        "compute_class": "dense",
        "parameters_total": 1000,
        "num_hidden_layers": 2,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 4,
        "intermediate_size": 16,
        "vocab_size": 32,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "unchecked_fields": ["torch_dtype"],
        "sources": {"computed": ["parameters_total"], "unverified": ["torch_dtype"]},
    }
    bare: dict[str, object] = {
        "repo_id": "maker/nothing",
        "display_name": "nothing",
        "aliases": [],
        "sources": {},
    }
    text = "\n".join(json.dumps(line) for line in (record, bare))
    (tmp_path / "models.jsonl").write_text(text, encoding="utf-8")
    built = builder.build(tmp_path)
    assert any("maker/nothing" in line for line in built.report)
    [row] = built.rows
    spec = ModelSpec.model_validate(row)
    assert spec.layout == (0, 0)
    assert spec.unverified == ("native",)
    assert spec.evidence[0].date is not None
    assert "final_norm" not in row
