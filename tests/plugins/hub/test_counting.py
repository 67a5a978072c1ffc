"""Counts per dtype → weights: exact where nothing is packed, and never against the file sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights_plugins.hub.counting import WIDTHS, count_weights

GPT_OSS_120B = {"BF16": 2_167_371_072, "U8": 118_244_966_400}
GPT_OSS_BYTES = 65_248_815_744  # 57.3 packed + 3.6 scales + 4.3 BF16, in 10^9 bytes
MXFP4 = {"quantization_config": {"quant_method": "mxfp4"}}


@given(st.dictionaries(st.sampled_from(["BF16", "F16", "F32"]), st.integers(1, 10**12), min_size=1))
def test_without_packing_every_element_is_a_weight(counts: dict[str, int]):
    size = sum(count * WIDTHS[name] for name, count in counts.items())
    counted = count_weights(counts, {}, size)
    assert (counted.total, counted.basis) == (sum(counts.values()), "exact")


def test_mxfp4_elements_are_weights_already_and_scales_are_taken_off():
    counted = count_weights(GPT_OSS_120B, MXFP4, GPT_OSS_BYTES)
    assert counted.total == 114_661_785_600 + 2_167_371_072
    assert counted.basis == "computed"


def test_mxfp4_elements_counted_as_bytes_by_a_mirror_give_the_same_number():
    as_bytes = {**GPT_OSS_120B, "U8": 57_330_892_800 + 3_583_180_800}
    assert count_weights(as_bytes, MXFP4, GPT_OSS_BYTES).total == 116_829_156_672


def test_positions_and_masks_are_no_weights():
    counted = count_weights({"F32": 109_482_240, "I64": 512}, {}, None)
    assert (counted.total, counted.basis) == (109_482_240, "exact")


def test_the_scales_of_8_bit_weights_are_left_out():
    deepseek = {"BF16": 3_918_786_560, "F8_E4M3": 680_571_043_840, "F32": 41_555_600}
    counted = count_weights(deepseek, {}, None)
    assert counted.total == pytest.approx(684_489_845_504, rel=1e-6)
    assert counted.basis == "computed"


def logical(method: dict[str, object], counts: dict[str, int], size: int) -> int | None:
    return count_weights(counts, {"quantization_config": method}, size).total


@given(st.integers(1, 500), st.integers(1, 50), st.sampled_from([2, 4, 8]))
def test_codes_in_32_bit_elements_are_unpacked(units: int, plain: int, bits: int):
    weights, others = units * 2**20, plain * 2**12
    counts = {
        "I32": weights * bits // 32 + weights // 128 * bits // 32,
        "F16": weights // 128 + others,
    }
    size = 4 * counts["I32"] + 2 * counts["F16"]
    method: dict[str, object] = {"quant_method": "gptq", "bits": bits, "group_size": 128}
    found = logical(method, counts, size)
    assert found == pytest.approx(weights + others, rel=1e-4)


@pytest.mark.parametrize(
    ("method", "counts", "size"),
    [
        (
            {"quant_method": "modelopt", "quant_algo": "NVFP4"},
            {"U8": 2**30, "F8_E4M3": 2**27, "BF16": 2**20},
            2**30 + 2**27 + 2**21,
        ),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            {"U8": 2**30, "F32": 2**25, "BF16": 2**20},
            2**30 + 2**27 + 2**21,
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}},
            },
            {"I32": 2**28, "BF16": 2**24 + 2**20},
            2**30 + 2**25 + 2**21,
        ),
    ],
    ids=["nvfp4", "bitsandbytes", "compressed-tensors"],
)
def test_two_to_the_31_packed_weights_are_found(
    method: dict[str, object], counts: dict[str, int], size: int
):
    assert logical(method, counts, size) == pytest.approx(2**31 + 2**20, rel=1e-4)


def test_mlx_scales_and_biases_are_taken_off():
    config = {"quantization": {"bits": 4, "group_size": 64}}
    counts = {"U32": 2**28, "BF16": 2 * 2**25 + 2**20}
    size = 2**30 + 2 * counts["BF16"]
    assert count_weights(counts, config, size).total == pytest.approx(2**31 + 2**20, rel=1e-4)


def test_a_reading_the_files_contradict_is_unknown():
    counted = count_weights(GPT_OSS_120B, MXFP4, 10 * GPT_OSS_BYTES)
    assert counted.total is None
    assert "do not agree" in (counted.note or "")


def test_counts_the_files_contradict_are_published_not_exact():
    assert count_weights({"BF16": 1000}, {}, 9000).basis == "published"


def test_no_counts_are_no_number():
    assert count_weights({}, {}, 5).total is None


NAMES = st.sampled_from(["U8", "I8", "I32", "U32", "BF16", "F32", "F8_E4M3", "WHAT"])
VALUES = st.one_of(st.none(), st.text(max_size=8), st.integers(-5, 300), st.booleans())


@given(
    st.dictionaries(NAMES, st.integers(1, 2**53)),
    st.dictionaries(
        st.sampled_from(["quant_method", "bits", "group_size", "config_groups"]), VALUES
    ),
    st.one_of(st.none(), st.integers(0, 2**53)),
)
def test_no_strange_counts_or_settings_break_it(
    counts: dict[str, int], method: dict[str, object], size: int | None
):
    counted = count_weights(counts, {"quantization_config": method}, size)
    assert counted.total is None or counted.total >= 0
