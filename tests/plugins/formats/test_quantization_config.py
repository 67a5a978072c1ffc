"""Quantization sections as their tools write them, and the names the server plans with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import LAYOUTS, canonical_format, layout
from whichweights_plugins.formats.quantization_config import (
    quantization_from_config,
    quantization_from_modelopt,
)
from whichweights_schemas.errors import InvalidArgument, UnknownQuantization

Section = dict[str, Any]


def _compressed(weights: Section, activations: Section | None = None) -> Section:
    group = {"weights": weights, "input_activations": activations, "targets": ["Linear"]}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


_INT4 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True}
_FP8 = {"num_bits": 8, "type": "float"}
_TORCHAO = {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 32}}}

CASES: list[tuple[str, float | None, Section]] = [
    ("GPTQ-Int4", 4.15625, {"quant_method": "gptq", "bits": 4, "group_size": 128}),
    ("GPTQ-Int4-g32", 4.625, {"quant_method": "gptq", "bits": 4, "group_size": 32}),
    ("GPTQ-Int4-per-channel", 4.0, {"quant_method": "gptq", "bits": 4, "group_size": -1}),
    ("GPTQ-Int8", 8.1875, {"quant_method": "gptq", "bits": 8, "group_size": 128}),
    ("AWQ-Int4", 4.15625, {"quant_method": "awq", "bits": 4, "group_size": 128}),
    ("AWQ-Int4", 4.15625, {"quant_method": "awq", "w_bit": 4, "q_group_size": 128}),
    ("FP8", 8.0, {"quant_method": "fp8", "activation_scheme": "static"}),
    ("FP8-block", 8 + 32 / 128**2, {"quant_method": "fp8", "weight_block_size": [128, 128]}),
    ("FP8-dynamic", 8.0, {"quant_method": "fbgemm_fp8"}),
    ("W4A16", 4.125, _compressed(_INT4)),
    ("W4A16", 4.5, _compressed({**_INT4, "group_size": 32})),
    ("W8A8-INT8", 8.0, _compressed({"num_bits": 8, "type": "int", "strategy": "channel"}, _FP8)),
    ("FP8", 8.0, _compressed({**_FP8, "strategy": "tensor"}, _FP8)),
    ("FP8-dynamic", 8.0, _compressed({**_FP8, "strategy": "channel"}, _FP8)),
    ("FP8-block", 8.0, _compressed({**_FP8, "strategy": "block"}, _FP8)),
    ("NVFP4", 4.5, _compressed({"num_bits": 4, "type": "float", "group_size": 16})),
    ("MXFP4", 4.25, _compressed({"num_bits": 4, "type": "float", "group_size": 32})),
    ("MXFP8", 8.25, _compressed({**_FP8, "strategy": "group", "group_size": 32})),
    ("bnb-NF4", 4.5, {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}),
    (
        "bnb-NF4-DQ",
        4.126953125,
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True,
        },
    ),
    ("bnb-FP4", 4.5, {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    ("bnb-Int8", 8.0, {"quant_method": "bitsandbytes", "load_in_8bit": True}),
    ("MXFP4", 4.25, {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}),
    ("NVFP4", 4.5, {"quant_method": "modelopt", "quant_algo": "NVFP4"}),
    ("FP8", 8.0, {"quant_method": "modelopt", "quant_algo": "FP8"}),
    ("AutoRound-Int4", 4.15625, {"quant_method": "auto-round", "bits": 4, "group_size": 128}),
    ("torchao-Int4", 4.25, {"quant_method": "torchao", "quant_type": "int4_weight_only"}),
    ("torchao-Int4-g32", 5.0, {"quant_method": "torchao", "quant_type": _TORCHAO}),
    ("torchao-Int8", 8.0, {"quant_method": "torchao", "quant_type": "int8_weight_only"}),
    (
        "HQQ-Int4",
        4.5,
        {
            "quant_method": "hqq",
            "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}},
        },
    ),
    ("EXL2-4.25bpw", 4.25, {"quant_method": "exl2", "bits": 4.25}),
    ("EXL3-3.0bpw", 3.0, {"quant_method": "exl3", "bits": 3.0}),
]
MLX: list[tuple[str, float, Section]] = [
    ("MLX-4bit", 4.5, {"group_size": 64, "bits": 4}),
    ("MLX-8bit-g32", 9.0, {"group_size": 32, "bits": 8, "mode": "affine"}),
    ("MLX-MXFP4", 4.25, {"group_size": 32, "bits": 4, "mode": "mxfp4"}),
    ("MLX-NVFP4", 4.5, {"group_size": 16, "bits": 4, "mode": "nvfp4"}),
]


@pytest.mark.parametrize(("name", "bits", "section"), CASES)
def test_a_section_gives_its_canonical_name_and_its_bits(
    name: str, bits: float, section: Section
) -> None:
    found = quantization_from_config({"quantization_config": section})
    assert found is not None
    assert found.format == name
    assert found.bits_per_weight is not None
    assert abs(found.bits_per_weight - bits) < 1e-9


@pytest.mark.parametrize(("name", "bits", "section"), MLX)
def test_mlx_writes_its_own_section(name: str, bits: float, section: Section) -> None:
    found = quantization_from_config({"quantization": section, "quantization_config": None})
    assert found is not None
    assert (found.format, found.container, found.bits_per_weight) == (name, "mlx", bits)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in [*CASES, *MLX]}))
def test_the_server_knows_every_name(name: str) -> None:
    assert canonical_format(name, field="quantization") == name
    assert layout(name).name == name


@pytest.mark.parametrize(("name", "bits", "section"), CASES)
def test_the_bits_are_those_of_the_layout_the_server_plans_with(
    name: str, bits: float, section: Section
) -> None:
    found = quantization_from_config({"quantization_config": section})
    assert found is not None
    if found.note is None and name in LAYOUTS:
        assert abs(bits - LAYOUTS[name].bits_per_weight()) < 0.01


def test_a_config_without_a_section_says_nothing() -> None:
    assert quantization_from_config({"torch_dtype": "bfloat16"}) is None


def test_a_section_of_the_language_part_counts() -> None:
    section = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    found = quantization_from_config({"text_config": {"quantization_config": section}})
    assert found is not None
    assert found.format == "FP8-block"


def test_a_mixture_is_named_by_its_smallest_format_and_says_the_others() -> None:
    groups = {
        "group_0": {"weights": {"num_bits": 4, "type": "float", "group_size": 16}},
        "group_1": {"weights": {**_FP8, "strategy": "channel"}},
    }
    section = {"quant_method": "compressed-tensors", "config_groups": groups}
    found = quantization_from_config({"quantization_config": section})
    assert found is not None
    assert (found.format, found.bits_per_weight) == ("NVFP4", None)
    assert found.note == "some layers FP8-dynamic"


def test_a_group_size_of_its_own_is_noted() -> None:
    section = {"quant_method": "awq", "bits": 4, "group_size": 64}
    found = quantization_from_config({"quantization_config": section})
    assert found is not None
    assert (found.bits_per_weight, found.note) == (4.3125, "groups of 64")


def test_mlx_exceptions_are_counted() -> None:
    section = {"group_size": 64, "bits": 4, "lm_head": {"bits": 8, "group_size": 64}}
    found = quantization_from_config({"quantization": section})
    assert found is not None
    assert found.note == "1 modules stored otherwise"


def test_the_file_of_modelopt_is_read() -> None:
    document = {
        "producer": {"name": "modelopt", "version": "0.29.0"},
        "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16},
    }
    found = quantization_from_modelopt(document)
    assert found is not None
    assert found.format == "NVFP4"
    assert quantization_from_modelopt({}) is None


def test_mixed_precision_of_modelopt_names_its_parts() -> None:
    layers = {"a": {"quant_algo": "FP8"}, "b": {"quant_algo": "NVFP4", "group_size": 16}}
    document = {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers}}
    found = quantization_from_modelopt(document)
    assert found is not None
    assert (found.format, found.note) == ("NVFP4", "some layers FP8")


@pytest.mark.parametrize(
    "section",
    [
        {"quant_method": "gptq", "bits": 3, "group_size": 128},
        {"quant_method": "awq", "bits": 8, "group_size": 128},
        {"quant_method": "aqlm"},
        {"quant_method": "bitsandbytes"},
        {"quant_method": "modelopt", "quant_algo": "INT4_EXOTIC"},
        {"quant_method": "compressed-tensors"},
        {"quant_method": "exl3", "bits": 40},
        {"something": 1},
        _compressed({"num_bits": 2, "type": "int"}),
    ],
)
def test_what_has_no_name_is_refused(section: Section) -> None:
    with pytest.raises(UnknownQuantization):
        quantization_from_config({"quantization_config": section})


@given(
    st.sampled_from([section for _, _, section in CASES]),
    st.dictionaries(
        st.sampled_from(["bits", "group_size", "config_groups", "weight_block_size", "mode"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3),
    ),
)
def test_any_section_ends_in_a_name_the_server_knows_or_a_typed_error(
    section: Section, changes: Section
) -> None:
    try:
        found = quantization_from_config({"quantization_config": {**section, **changes}})
    except (UnknownQuantization, InvalidArgument):
        return
    assert found is not None
    assert canonical_format(found.format, field="quantization") == found.format
