from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import (
    BLOCK_TYPES,
    FILE_TYPES,
    MixtureFacts,
    MixturePlan,
    Tensor,
    TensorTable,
    is_70b_class,
    padded,
    plan_mixture,
)
from whichweights_schemas.errors import UnknownQuantization

SNAPSHOTS = Path(__file__).parents[3] / "data" / "gguf_tensor_types.jsonl.gz"
MADE = [name for name, kind in FILE_TYPES.items() if kind.made_by_llama_quantize]
WEIGHTS_OF_LLAMA_31_8B = 8_030_261_312

# name: bits per weight with and without imatrix, tensor bytes with imatrix.
# llama.cpp tools/quantize/README.md; the rows it does not list are computed independently.
CHECK_TABLE: dict[str, tuple[float, float, int]] = {
    "F16": (16.0005, 16.0005, 16_061_055_232), "Q4_0": (4.6505, 4.6358, 4_668_055_808),
    "Q4_1": (5.1031, 5.1031, 5_122_416_896), "Q8_0": (8.5008, 8.5008, 8_532_934_912),
    "Q5_0": (5.5850, 5.5704, 5_606_138_112), "Q5_1": (6.0377, 6.0377, 6_060_499_200),
    "Q2_K": (3.1593, 3.1593, 3_171_295_488), "Q3_K_S": (3.6429, 3.6429, 3_656_663_296),
    "Q3_K_M": (3.9960, 3.9960, 4_011_081_984), "Q3_K_L": (4.2979, 4.2979, 4_314_120_448),
    "Q4_K_S": (4.6672, 4.6672, 4_684_833_024), "Q4_K_M": (4.8944, 4.8944, 4_912_898_304),
    "Q5_K_S": (5.5704, 5.5704, 5_591_458_048), "Q5_K_M": (5.7036, 5.7036, 5_725_151_488),
    "Q6_K": (6.5633, 6.5633, 6_588_170_496), "IQ2_XXS": (2.3824, 2.3824, 2_391_376_128),
    "IQ2_XS": (2.5882, 2.5882, 2_597_945_600), "Q2_K_S": (2.9697, 2.9697, 2_980_978_944),
    "IQ3_XS": (3.4977, 3.4977, 3_510_911_232), "IQ3_XXS": (3.2548, 3.3736, 3_267_076_352),
    "IQ1_S": (2.0042, 2.0042, 2_011_791_616), "IQ4_NL": (4.6526, 4.6818, 4_670_152_960),
    "IQ3_S": (3.6606, 3.6606, 3_674_489_088), "IQ3_M": (3.7628, 3.7628, 3_776_987_392),
    "IQ2_S": (2.7403, 2.7403, 2_750_652_672), "IQ2_M": (2.9294, 2.9294, 2_940_444_928),
    "IQ4_XS": (4.4231, 4.4597, 4_439_826_688), "IQ1_M": (2.1460, 2.1460, 2_154_135_808),
    "TQ1_0": (2.1914, 2.1914, 2_199_707_904), "TQ2_0": (2.5173, 2.5173, 2_526_863_616),
    "F32": (32.0, 32.0, 32_121_045_248), "BF16": (16.0005, 16.0005, 16_061_055_232),
    "Q1_0": (1.4817, 1.4817, 1_487_347_968), "Q2_0": (2.6803, 2.6803, 2_690_441_472),
}  # fmt: skip


def llama_tensors(
    layers: int, hidden: int, kv: int, ffn: int, vocabulary: int, *, ropes: bool = False
) -> list[Tensor]:
    """The tensors of a Llama-like GGUF with an own output matrix."""
    tensors = [
        Tensor("token_embd.weight", (hidden, vocabulary)),
        Tensor("output.weight", (hidden, vocabulary)),
        Tensor("output_norm.weight", (hidden,)),
    ]
    if ropes:
        tensors.append(Tensor("rope_freqs.weight", (64,)))
    shapes = {
        "attn_norm": (hidden,), "ffn_norm": (hidden,), "attn_q": (hidden, hidden),
        "attn_k": (hidden, kv), "attn_v": (hidden, kv), "attn_output": (hidden, hidden),
        "ffn_gate": (hidden, ffn), "ffn_up": (hidden, ffn), "ffn_down": (ffn, hidden),
    }  # fmt: skip
    for layer in range(layers):
        tensors += [Tensor(f"blk.{layer}.{name}.weight", shape) for name, shape in shapes.items()]
    return tensors


LLAMA_31_8B = TensorTable(llama_tensors(32, 4096, 1024, 14336, 128256, ropes=True))
LLAMA_FACTS = MixtureFacts(n_layers=32, n_gqa=4, architecture="llama")


def types(plan: MixturePlan) -> dict[str, str]:
    return {tensor.name: tensor.type for tensor in plan.tensors}


# Llama-3.1-8B, the published check table


@pytest.mark.parametrize("name", CHECK_TABLE)
def test_llama_31_8b_has_the_published_bits_and_bytes(name: str) -> None:
    with_imatrix, without, size = CHECK_TABLE[name]
    planned = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, name, imatrix=True)
    plain = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, name, imatrix=False)
    assert planned.weights == WEIGHTS_OF_LLAMA_31_8B
    assert planned.total_bytes == size
    assert round(planned.bits_per_weight, 4) == with_imatrix
    assert round(plain.bits_per_weight, 4) == without


@pytest.mark.parametrize("name", CHECK_TABLE)
def test_the_table_of_file_types_repeats_the_computed_bits(name: str) -> None:
    kind = FILE_TYPES[name]
    assert (kind.bits_per_weight, kind.bits_per_weight_plain) == CHECK_TABLE[name][:2]


@pytest.mark.parametrize("name", MADE)
def test_a_file_type_needs_an_imatrix_exactly_where_one_of_its_tensors_does(name: str) -> None:
    plan = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, name)
    assert plan.requires_imatrix == (FILE_TYPES[name].imatrix == "required")


# llama.cpp's own tables: 7 models x 33 file types, every tensor


def _records() -> list[dict[str, Any]]:
    with gzip.open(SNAPSHOTS, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _layers(ranges: str) -> Iterator[int]:
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


RECORDS = _records()
MODELS: dict[str, dict[str, Any]] = {row["model"]: row for row in RECORDS if "tensors" in row}
TABLES = [row for row in RECORDS if "file_type" in row]

# The tables give no shapes; only row lengths matter here, from the models' config.json.
EXPERT_WIDTH = {
    "gpt-oss-120b": 2880, "GLM-4.6V": 1408, "DeepSeek-V3.1": 2048, "Qwen3-Coder-Next": 512,
}  # fmt: skip
ATTENTION_WIDTH = {
    "Qwen3-0.6B": 2048, "gemma-3-4b-it": 2048, "gpt-oss-120b": 4096, "GLM-4.6V": 12288,
    "DeepSeek-V3.1": 16384, "Qwen3-Coder-Next": 4096,
}  # fmt: skip


def _row_length(model: Mapping[str, Any], name: str) -> int:
    part = name.removesuffix(".weight")
    widths: dict[str, int] = {
        "attn_k_b": 128,
        "attn_q_b": 1536,
        "ssm_out": 4096,
        "ffn_down": model["n_ff"],
        "ffn_down_exps": EXPERT_WIDTH.get(model["model"], 0),
        "ffn_down_shexp": EXPERT_WIDTH.get(model["model"], 0),
        "attn_output": ATTENTION_WIDTH.get(model["model"], int(model["n_embd"])),
    }
    return widths.get(part, int(model["n_embd"]))


def _names(name: str, layers: str | None) -> list[str]:
    return [name] if layers is None else [f"blk.{layer}.{name}" for layer in _layers(layers)]


def _snapshot_tensors(model: Mapping[str, Any]) -> Iterator[Tensor]:
    for name, layers, _, dims in model["tensors"]:
        depth = 2 if dims == "3d" else 1
        for full in _names(name, layers):
            yield Tensor(full, (_row_length(model, name), 256, depth))


def _expected(model: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, str]:
    where: dict[str, list[str]] = {
        name: _names(name, layers) for name, layers, *_ in model["tensors"]
    }
    wanted = {full: str(table["default_type"]) for names in where.values() for full in names}
    for name, layers, kind in table["exceptions"]:
        chosen = where[name] if layers in ("all", None) else _names(name, layers)
        wanted |= {full: str(kind) for full in chosen}
    return wanted


def test_the_snapshots_hold_seven_models_and_33_file_types_each() -> None:
    assert len(MODELS) == 7
    assert len(TABLES) == 7 * 33


@pytest.mark.parametrize("table", TABLES, ids=lambda row: f"{row['model']}-{row['file_type']}")
def test_every_tensor_gets_the_type_of_llama_cpps_own_table(table: dict[str, Any]) -> None:
    model = MODELS[table["model"]]
    n_gqa = model["n_head"] // model["n_head_kv"]
    architecture = "llama" if "Llama" in model["model"] else "other"
    facts = MixtureFacts(
        n_layers=model["n_layers"],
        n_gqa=n_gqa,
        n_expert=model["n_expert"],
        architecture=architecture,
        is_70b=is_70b_class(architecture, model["n_layers"], n_gqa),
    )
    plan = plan_mixture(tuple(_snapshot_tensors(model)), facts, table["file_type"])
    assert types(plan) == _expected(model, table)
    assert plan.counts == table["counts"]


# Published files: what is left is header and tokenizer, the same for every file type of a model

# lmstudio-ai/model-catalog; shapes from the models' config.json. 13B files of 2023 are left out:
# llama.cpp then lifted the first 4 down projections, not the first eighth (5 of 40).
FILES: list[tuple[str, tuple[int, int, int, int, int], dict[str, int]]] = [
    (
        "zephyr-7b-beta",
        (32, 4096, 1024, 14336, 32000),
        {"Q4_K_S": 4_140_373_696, "Q6_K": 5_942_064_832},
    ),
    (
        "openhermes-2.5-mistral-7b",
        (32, 4096, 1024, 14336, 32002),
        {"Q4_K_S": 4_140_385_024, "Q6_K": 5_942_078_272},
    ),
    (
        "codellama-7b-instruct",
        (32, 4096, 4096, 11008, 32016),
        {"Q4_K_S": 3_856_831_168, "Q6_K": 5_529_302_208},
    ),
]


@pytest.mark.parametrize(("shape", "sizes"), [row[1:] for row in FILES], ids=[r[0] for r in FILES])
def test_published_files_leave_the_same_small_remainder(
    shape: tuple[int, int, int, int, int], sizes: dict[str, int]
) -> None:
    layers, hidden, kv, *_ = shape
    facts = MixtureFacts(n_layers=layers, n_gqa=hidden // kv, architecture="llama")
    tensors = llama_tensors(*shape)
    remainders = {
        size - plan_mixture(tensors, facts, name).total_bytes for name, size in sizes.items()
    }
    (remainder,) = remainders
    assert 0 < remainder < 8_000_000


def test_a_published_llama_31_8b_q4_k_m_is_larger_by_its_header_only() -> None:
    plan = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, "Q4_K_M")
    assert 0 < 4_920_739_168 - plan.total_bytes < 8_000_000


# Rules that the tables do not reach


def test_eight_experts_lift_attention() -> None:
    tensors = llama_tensors(32, 4096, 1024, 14336, 32000)
    facts = MixtureFacts(n_layers=32, n_gqa=4, n_expert=8, architecture="llama")
    chosen = types(plan_mixture(tensors, facts, "Q4_K_M"))
    assert chosen["blk.5.attn_v.weight"] == "Q8_0"
    assert chosen["blk.5.attn_k.weight"] == "Q8_0"
    assert chosen["blk.5.attn_output.weight"] == "Q5_K"
    lowest = types(plan_mixture(tensors, facts, "IQ2_XXS"))
    assert lowest["blk.5.attn_k.weight"] == "Q4_K"
    assert lowest["blk.5.attn_output.weight"] == "Q5_K"


def test_falcon_keeps_its_own_mixture() -> None:
    tensors = llama_tensors(32, 4096, 4096, 16384, 65024)
    facts = MixtureFacts(n_layers=32, n_gqa=1, architecture="falcon")
    medium = types(plan_mixture(tensors, facts, "Q4_K_M"))
    assert medium["output.weight"] == "Q8_0"
    assert medium["blk.1.ffn_down.weight"] == "Q6_K"
    assert medium["blk.2.ffn_down.weight"] == "Q5_K"
    assert medium["blk.4.ffn_down.weight"] == "Q4_K"
    large = types(plan_mixture(tensors, facts, "Q3_K_L"))
    assert large["blk.4.ffn_down.weight"] == "Q4_K"
    assert large["blk.4.attn_output.weight"] == "Q4_K"


def test_the_legacy_types_lift_the_first_down_projections_only_with_an_imatrix() -> None:
    name = "blk.3.ffn_down.weight"
    lifted = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, "Q4_0", imatrix=True)
    assert types(lifted)[name] == "Q4_1"
    assert types(lifted)["blk.4.ffn_down.weight"] == "Q4_0"
    assert types(plan_mixture(LLAMA_31_8B, LLAMA_FACTS, "Q4_0"))[name] == "Q4_0"


@pytest.mark.parametrize(
    ("architecture", "layers", "n_gqa", "is_70b"),
    [
        ("llama", 80, 8, True), ("llama", 80, 1, False), ("llama", 32, 4, False),
        ("qwen2", 80, 8, True), ("jais2", 68, 1, True), ("qwen3", 80, 8, False),
    ],
)  # fmt: skip
def test_the_70b_class_is_a_matter_of_architecture_and_depth(
    architecture: str, layers: int, n_gqa: int, is_70b: bool
) -> None:
    assert is_70b_class(architecture, layers, n_gqa) is is_70b


def test_a_row_of_odd_length_becomes_f16() -> None:
    tensors = [Tensor("output.weight", (64, 8)), Tensor("blk.0.attn_q.weight", (40, 8))]
    plan = plan_mixture(tensors, MixtureFacts(n_layers=1, n_gqa=1), "Q4_K_M")
    (head, query) = plan.tensors
    assert (head.type, head.rule) == ("Q8_0", "c")
    assert (query.type, query.rule) == ("F16", "m")
    assert "40" in query.reason


@pytest.mark.parametrize(
    "name",
    [
        "blk.0.attn_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.0.ssm_conv1d.weight",
        "blk.0.time_mix_w1.weight", "blk.0.attn_q.bias", "position_embd.weight",
        "blk.0.indexer.k_proj.weight", "v.patch_embd.weight",
    ],
)  # fmt: skip
def test_small_tensors_keep_their_type(name: str) -> None:
    tensors = [Tensor(name, (256, 16), "F16")]
    plan = plan_mixture(tensors, MixtureFacts(n_layers=1, n_gqa=4), "Q4_0")
    (tensor,) = plan.tensors
    assert (tensor.type, tensor.rule, tensor.bytes) == ("F16", "a", 256 * 16 * 2)


def test_both_ends_take_a_type_given_for_them() -> None:
    plan = plan_mixture(
        LLAMA_31_8B, LLAMA_FACTS, "Q4_K_M", output_type="Q8_0", embedding_type="q8_0"
    )
    chosen = types(plan)
    assert chosen["output.weight"] == chosen["token_embd.weight"] == "Q8_0"
    assert chosen["blk.0.attn_q.weight"] == "Q4_K"


def test_nvfp4_cannot_be_made_by_llama_quantize() -> None:
    with pytest.raises(UnknownQuantization):
        plan_mixture(LLAMA_31_8B, LLAMA_FACTS, "NVFP4")


def test_every_decision_carries_a_rule_and_a_reason() -> None:
    plan = plan_mixture(LLAMA_31_8B, LLAMA_FACTS, "Q4_K_M")
    assert all(tensor.rule and tensor.reason for tensor in plan.tensors)
    reasons = {tensor.name: tensor.reason for tensor in plan.tensors}
    assert reasons["blk.0.attn_v.weight"] == "values: first and last eighth and every third between"


# Properties


@st.composite
def models(draw: st.DrawFn) -> tuple[list[Tensor], MixtureFacts]:
    layers, n_gqa = draw(st.integers(1, 24)), draw(st.sampled_from([1, 2, 4, 8]))
    kv, ffn = draw(st.integers(1, 3)) * 128, draw(st.integers(1, 40)) * 32
    experts = draw(st.sampled_from([0, 4, 8, 128]))
    facts = MixtureFacts(layers, n_gqa, experts, "llama")
    return llama_tensors(layers, kv * n_gqa, kv, ffn, 512), facts


@given(model=models(), name=st.sampled_from(MADE), imatrix=st.booleans())
def test_a_file_lies_between_its_smallest_and_largest_type(
    model: tuple[list[Tensor], MixtureFacts], name: str, imatrix: bool
) -> None:
    tensors, facts = model
    plan = plan_mixture(tensors, facts, name, imatrix=imatrix)
    bits = [BLOCK_TYPES[tensor.type].bits_per_weight for tensor in plan.tensors]
    padding = 32 * len(plan.tensors)
    assert min(bits) * plan.weights <= plan.total_bytes * 8
    assert plan.total_bytes - padding <= max(bits) * plan.weights / 8
    assert plan.total_bytes == sum(padded(tensor.bytes) for tensor in plan.tensors)


@given(model=models(), name=st.sampled_from(MADE), random=st.randoms(use_true_random=False))
def test_the_order_in_which_tensors_are_given_does_not_matter(
    model: tuple[list[Tensor], MixtureFacts], name: str, random: Random
) -> None:
    tensors, facts = model
    shuffled = list(tensors)
    random.shuffle(shuffled)
    assert plan_mixture(tensors, facts, name) == plan_mixture(shuffled, facts, name)


@given(model=models(), name=st.sampled_from(MADE))
def test_no_tensor_is_lost_or_invented(model: tuple[list[Tensor], MixtureFacts], name: str) -> None:
    tensors, facts = model
    plan = plan_mixture(tensors, facts, name)
    assert set(types(plan)) == {tensor.name for tensor in tensors}
    assert plan.weights == sum(tensor.elements for tensor in tensors)
