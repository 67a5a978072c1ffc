from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import BLOCK_TYPES, block_type, padded, tensor_bytes
from whichweights_schemas.errors import UnknownQuantization

# Bits per weight as ggml documents them.
PUBLISHED_BITS = {
    "F32": 32, "F16": 16, "BF16": 16, "Q4_0": 4.5, "Q4_1": 5, "Q5_0": 5.5, "Q5_1": 6, "Q8_0": 8.5,
    "Q8_1": 10, "Q2_K": 2.625, "Q3_K": 3.4375, "Q4_K": 4.5, "Q5_K": 5.5, "Q6_K": 6.5625,
    "Q8_K": 9.125, "IQ1_S": 1.5625, "IQ1_M": 1.75, "IQ2_XXS": 2.0625, "IQ2_XS": 2.3125,
    "IQ2_S": 2.5625, "IQ3_XXS": 3.0625, "IQ3_S": 3.4375, "IQ4_NL": 4.5, "IQ4_XS": 4.25,
    "TQ1_0": 1.6875, "TQ2_0": 2.0625, "MXFP4": 4.25, "NVFP4": 4.5, "Q1_0": 1.125, "Q2_0": 2.25,
}  # fmt: skip
QUANTIZED = sorted(name for name, kind in BLOCK_TYPES.items() if kind.is_quantized)


@pytest.mark.parametrize(("name", "bits"), PUBLISHED_BITS.items())
def test_a_block_type_has_its_documented_bits(name: str, bits: float) -> None:
    assert block_type(name.lower()).bits_per_weight == bits


def test_type_ids_are_unique() -> None:
    ids = [kind.type_id for kind in BLOCK_TYPES.values()]
    assert len(set(ids)) == len(ids)


@given(
    name=st.sampled_from(QUANTIZED),
    blocks=st.integers(1, 200),
    rows=st.integers(1, 500),
    more=st.integers(1, 500),
)
def test_more_rows_take_proportionally_more_bytes(
    name: str, blocks: int, rows: int, more: int
) -> None:
    row = blocks * BLOCK_TYPES[name].block_weights
    one = tensor_bytes(name, row, row)
    assert tensor_bytes(name, row * rows, row) == one * rows
    assert tensor_bytes(name, row * (rows + more), row) > tensor_bytes(name, row * rows, row)


@given(size=st.integers(0, 2**50))
def test_padding_reaches_the_next_multiple_of_32_and_no_further(size: int) -> None:
    assert padded(size) % 32 == 0
    assert 0 <= padded(size) - size < 32


def test_a_row_that_no_block_divides_is_refused() -> None:
    with pytest.raises(UnknownQuantization):
        tensor_bytes("Q4_K", 2880 * 4, 2880)


@pytest.mark.parametrize(("elements", "row"), [(10, 3), (-32, 32), (32, 0)])
def test_elements_that_are_no_whole_rows_are_refused(elements: int, row: int) -> None:
    with pytest.raises(ValueError, match="whole number of rows"):
        tensor_bytes("F16", elements, row)


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(UnknownQuantization) as caught:
        block_type("Q7_K")
    assert "Q6_K" in caught.value.suggestions
