from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import (
    LAYOUTS,
    Calibration,
    WeightLayout,
    exl_layout,
    layout,
    mlx_layout,
)
from whichweights_schemas.errors import UnknownQuantization

# Bits per quantized weight as the formats' own documents derive them, wide rows.
BITS = {
    "bnb-NF4": 4.5, "bnb-FP4": 4.5, "bnb-NF4-DQ": 4.126953125, "bnb-Int8": 8.0,
    "GPTQ-Int4": 4.15625, "GPTQ-Int4-g64": 4.3125, "GPTQ-Int4-g32": 4.625, "GPTQ-Int8": 8.1875,
    "GPTQ-Int4-per-channel": 4.0, "AWQ-Int4": 4.15625, "W4A16": 4.125, "W8A16": 8.125,
    "W8A8-INT8": 8.0,
    "FP8": 8.0, "FP8-dynamic": 8.0, "FP8-block": 8.001953125, "NVFP4": 4.5, "MXFP4": 4.25,
    "MXFP8": 8.25, "HQQ-Int4": 4.5, "torchao-Int4": 4.25, "torchao-Int4-g32": 5.0,
    "torchao-Int8": 8.0, "MLX-4bit": 4.5, "MLX-4bit-g32": 5.0, "MLX-4bit-g128": 4.25,
    "MLX-8bit": 8.5, "MLX-MXFP4": 4.25, "MLX-NVFP4": 4.5, "MLX-MXFP8": 8.25, "EXL2-4.65bpw": 4.65,
    "EXL3-4.0bpw": 4.0,
}  # fmt: skip


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_a_layout_has_its_derived_bits(name: str, bits: float) -> None:
    assert math.isclose(layout(name).bits_per_weight(), bits, abs_tol=1e-12)


@pytest.mark.parametrize(
    ("name", "in_features", "out_features", "bits"),
    [
        ("bnb-Int8", 4096, None, 8 + 32 / 4096),
        ("GPTQ-Int4-per-channel", 4096, None, 4 + 20 / 4096),
        ("GPTQ-Int4", 4096, 1024, 4.15625 + 32 / 1024),
        ("FP8", 4096, 1024, 8 + 32 / (4096 * 1024)),
    ],
)
def test_terms_of_a_side_count_once_the_side_is_known(
    name: str, in_features: int, out_features: int | None, bits: float
) -> None:
    assert math.isclose(layout(name).bits_per_weight(in_features, out_features), bits)


def test_an_fp8_matrix_takes_one_byte_a_weight_and_its_scale() -> None:
    assert layout("FP8").linear_bytes(4096, 1024) == 4096 * 1024 + 4
    assert layout("FP8-block").linear_bytes(7168, 18432) == 7168 * 18432 + 56 * 144 * 4


@given(
    row=st.sampled_from(sorted(LAYOUTS.values(), key=lambda row: row.name)),
    columns=st.integers(1, 64),
    rows=st.integers(1, 64),
)
def test_bytes_of_a_matrix_follow_the_bits_where_groups_divide_it(
    row: WeightLayout, columns: int, rows: int
) -> None:
    in_features, out_features = columns * 128, rows * 128
    size = row.linear_bytes(in_features, out_features)
    bits = row.bits_per_weight(in_features, out_features) * in_features * out_features
    # Each overhead rounds up to a whole byte and, across rows, to a whole entry of 4 bytes.
    assert math.floor(bits / 8) <= size <= bits / 8 + 5 * (1 + len(row.overheads))


@given(bits=st.sampled_from([2, 3, 4, 5, 6, 8]), group=st.sampled_from([32, 64, 128]))
def test_mlx_affine_adds_32_bits_a_group(bits: int, group: int) -> None:
    assert mlx_layout(bits, group).bits_per_weight() == bits + 32 / group


@pytest.mark.parametrize(("bits", "group"), [(7, 64), (4, 16), (0, 64)])
def test_an_mlx_width_that_does_not_exist_is_refused(bits: int, group: int) -> None:
    with pytest.raises(UnknownQuantization):
        mlx_layout(bits, group)


@given(bits=st.integers(100, 800).map(lambda hundredths: hundredths / 100))
def test_any_exl2_width_is_found_by_its_name(bits: float) -> None:
    assert math.isclose(layout(exl_layout(2, bits).name).bits_per_weight(), bits)


@pytest.mark.parametrize("name", ["EXL2-9.0bpw", "EXL3-xbpw", "EXL4-4.0bpw", "Q4_K_M", ""])
def test_a_name_that_is_no_layout_is_refused(name: str) -> None:
    with pytest.raises(UnknownQuantization):
        layout(name)


@pytest.mark.parametrize("row", LAYOUTS.values(), ids=lambda row: str(row.name))
def test_every_row_has_a_source_a_date_and_engines(row: WeightLayout) -> None:
    assert row.source
    assert row.date
    assert row.engines


def test_only_mlx_quantizes_the_embeddings_too() -> None:
    whole = {row.container for row in LAYOUTS.values() if "embeddings" not in row.keeps_16_bit}
    assert whole == {"mlx"}


def test_calibration_is_told_apart() -> None:
    assert layout("GPTQ-Int4").calibration is Calibration.REQUIRED
    assert layout("bnb-NF4").calibration is Calibration.NONE
    assert layout("FP8").calibration is Calibration.OPTIONAL


def test_what_nobody_verified_is_marked() -> None:
    assert layout("EXL3-4.0bpw").unverified == ("bits",)
    assert layout("EXL2-4.0bpw").unverified == ("min_compute_capability",)
