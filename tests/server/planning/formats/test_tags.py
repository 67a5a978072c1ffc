from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import (
    FILE_TYPES,
    LAYOUTS,
    REMOVED_FILE_TYPES,
    canonical_format,
    decode_tag,
    known_formats,
)
from whichweights_schemas.errors import UnknownQuantization

NAMES: dict[str, str] = {
    # GGUF files
    "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf": "Q4_K_M",
    "Qwen3-30B-A3B-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
    "gpt-oss-20b-MXFP4.gguf": "MXFP4_MOE",
    "model.i1-IQ2_XXS.gguf": "IQ2_XXS",
    "Llama-3.2-3B-Instruct-Q4_0_4_8.gguf": "Q4_0_4_8",
    "DeepSeek-V3-Q2_K_L-00002-of-00005.gguf": "Q2_K_L",
    "shisa-v2-llama3.3-70b.i1-Q4_K_M.gguf": "Q4_K_M",
    "Qwen3.5-35B-A3B-UD-Q8_K_XL.gguf": "UD-Q8_K_XL",
    "ggml-model-Q4_K_M.gguf": "Q4_K_M",
    "qwen1_5-7b-chat-q5_k_m.gguf": "Q5_K_M",
    "mistral-7b-openorca.gguf2.Q4_0.gguf": "Q4_0",
    "gemma-3-4b-it-qat-q4_0-gguf": "Q4_0",
    "llama3.1:8b-instruct-q4_K_M": "Q4_K_M",
    "some-FP8-model-Q8_0.gguf": "Q8_0",
    "model-NVFP4.gguf": "NVFP4",
    "model-bf16.gguf": "BF16",
    "Q3_K": "Q3_K_M", "q4km": "Q4_K_M", "q5 k s": "Q5_K_S", "iq4-nl": "IQ4_NL",
    # repositories and arguments
    "fp16": "F16", "float16": "F16", "bfloat16": "BF16", "fp32": "F32",
    "AWQ-4bit": "AWQ-Int4", "Qwen/Qwen2.5-7B-Instruct-AWQ": "AWQ-Int4", "awq": "AWQ-Int4",
    "gptq": "GPTQ-Int4", "Qwen2.5-7B-Instruct-GPTQ-Int8": "GPTQ-Int8",
    "gptq-4bit-32g-actorder_True": "GPTQ-Int4-g32", "gptq-4bit--1g-actorder_True":
    "GPTQ-Int4-per-channel", "TheBloke/Llama-2-7B-GPTQ": "GPTQ-Int4",
    "mlx-community/Qwen3-8B-4bit": "MLX-4bit", "mlx-4bit": "MLX-4bit", "mlx q6": "MLX-6bit",
    "mlx-community/Llama-3.2-3B-8bit-gs32": "MLX-8bit-g32", "mlx-community/x-mxfp4": "MLX-MXFP4",
    "mlx-community/Qwen3-8B-bf16": "BF16",
    "Qwen/Qwen3-8B-FP8": "FP8", "RedHatAI/Meta-Llama-3.1-8B-FP8-dynamic": "FP8-dynamic",
    "deepseek fp8 block": "FP8-block", "nvidia/Llama-3.1-8B-NVFP4": "NVFP4", "FP4": "NVFP4",
    "mxfp4": "MXFP4", "RedHatAI/x-quantized.w4a16": "W4A16", "x-quantized.w8a16": "W8A16",
    "x-quantized.w8a8": "W8A8-INT8",
    "x-w8a8-fp8": "FP8", "unsloth/x-unsloth-bnb-4bit": "bnb-NF4-DQ",
    "unsloth/x-bnb-4bit": "bnb-NF4", "nf4": "bnb-NF4", "llm.int8": "bnb-Int8",
    "LoneStriker/x-4.65bpw-h6-exl2": "EXL2-4.65bpw", "4.0bpw": "EXL2-4.0bpw",
    "x-exl3-3.0bpw": "EXL3-3.0bpw", "Intel/x-int4-AutoRound": "AutoRound-Int4",
    "x-HQQ-4bit": "HQQ-Int4", "int4wo": "torchao-Int4", "torchao int8": "torchao-Int8",
}  # fmt: skip


@pytest.mark.parametrize(("text", "canonical"), NAMES.items())
def test_a_name_is_read_as_its_format(text: str, canonical: str) -> None:
    assert decode_tag(text).canonical == canonical


@pytest.mark.parametrize("name", [*known_formats(), *REMOVED_FILE_TYPES])
def test_a_canonical_name_stands_for_itself(name: str) -> None:
    decoded = decode_tag(name)
    assert decoded.canonical == name
    assert decode_tag(decoded.canonical).canonical == name


@given(name=st.sampled_from(known_formats()), data=st.data())
def test_case_and_separators_do_not_matter(name: str, data: st.DataObject) -> None:
    letters = [data.draw(st.sampled_from([letter.lower(), letter.upper()])) for letter in name]
    separator = data.draw(st.sampled_from("-_ "))
    varied = "".join(separator if letter in "-_" else letter for letter in letters)
    expected, decoded = decode_tag(name), decode_tag(varied)
    assert decoded.canonical == expected.canonical
    assert decoded.bits_per_weight == expected.bits_per_weight


@given(name=st.sampled_from(sorted(FILE_TYPES)), text=st.sampled_from(["Q2_K", "IQ3_M", "Q8_0"]))
def test_the_last_tag_of_a_file_name_counts(name: str, text: str) -> None:
    assert decode_tag(f"model-{text}-{name}.gguf").canonical == name


@pytest.mark.parametrize("name", known_formats())
def test_every_format_is_explained(name: str) -> None:
    decoded = decode_tag(name)
    assert name in decoded.meaning
    assert decoded.block_layout
    assert decoded.tensor_types
    assert decoded.source
    assert decoded.date
    assert (decoded.base_file_type is None) != (decoded.layout_name is None)
    assert decoded.bits_per_weight is not None or decoded.bits_note


def test_q4_k_m_is_explained_with_the_bits_of_a_named_model() -> None:
    decoded = decode_tag("Q4_K_M")
    assert (decoded.bits_per_weight, decoded.bits_model) == (4.8944, "Llama-3.1-8B")
    assert decoded.container == "gguf"
    assert "attn_v, ffn_down: Q6_K in 16 of 32 layers, Q4_K in the rest" in decoded.tensor_types
    assert "4.5" in decoded.block_layout


def test_an_imatrix_mark_takes_the_bits_of_the_imatrix_file() -> None:
    plain, marked = decode_tag("x-Q4_0.gguf"), decode_tag("x.i1-Q4_0.gguf")
    assert (plain.bits_per_weight, plain.imatrix) == (4.6358, None)
    assert (marked.bits_per_weight, marked.imatrix) == (4.6505, True)


def test_a_type_that_needs_an_imatrix_has_one() -> None:
    assert decode_tag("IQ2_XXS").imatrix is True


def test_an_unsloth_dynamic_file_has_no_bits_and_says_why() -> None:
    decoded = decode_tag("UD-Q4_K_XL")
    assert decoded.bits_per_weight is None
    assert decoded.dynamic
    assert "read the file" in decoded.bits_note


def test_a_bartowski_large_file_has_both_ends_in_q8_0() -> None:
    decoded = decode_tag("Q4_K_L")
    assert decoded.base_file_type == "Q4_K_M"
    assert decoded.embedding_and_output == "Q8_0"
    assert "output, token_embd: Q8_0" in decoded.tensor_types
    assert decoded.bits_per_weight is not None
    assert decoded.bits_per_weight > 4.8944


@pytest.mark.parametrize("name", REMOVED_FILE_TYPES)
def test_a_removed_type_is_decoded_and_cannot_be_planned(name: str) -> None:
    decoded = decode_tag(f"model-{name}.gguf")
    assert decoded.removed
    assert decoded.replacement == "Q4_0"
    with pytest.raises(UnknownQuantization) as caught:
        canonical_format(name)
    assert caught.value.suggestions == ("Q4_0",)


@pytest.mark.parametrize(
    ("text", "shard"),
    [("x-Q2_K_L-00002-of-00005.gguf", (2, 5)), ("x.Q5_K_M.gguf.part1of2", (1, 2))],
)
def test_a_split_file_tells_its_part(text: str, shard: tuple[int, int]) -> None:
    assert decode_tag(text).shard == shard


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("mmproj-F16.gguf", "projector"), ("x-lora-F16.gguf", "adapter"),
        ("ggml-vocab-Q4_0.gguf", "vocabulary"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_the_model_is_told_apart_and_cannot_be_planned(
    text: str, role: str
) -> None:
    assert decode_tag(text).role == role
    with pytest.raises(UnknownQuantization):
        canonical_format(text)


@pytest.mark.parametrize("text", ["imatrix.dat", "Qwen3-8B-imatrix.gguf"])
def test_an_importance_matrix_is_not_a_model(text: str) -> None:
    with pytest.raises(UnknownQuantization) as caught:
        decode_tag(text)
    assert "importance matrix" in caught.value.message


@pytest.mark.parametrize(
    ("text", "one_of_them"),
    [("4bit", "Q4_K_M"), ("int4", "AWQ-Int4"), ("q4", "MLX-4bit"), ("8-bit", "Q8_0"),
     ("INT8", "W8A8-INT8"), ("w4", "GPTQ-Int4")],
)  # fmt: skip
def test_a_bare_width_fits_several_formats_and_none_is_picked(text: str, one_of_them: str) -> None:
    with pytest.raises(UnknownQuantization) as caught:
        canonical_format(text)
    assert one_of_them in caught.value.suggestions
    assert len(caught.value.suggestions) > 3
    assert caught.value.field == "quantization"


@pytest.mark.parametrize(
    ("text", "nearest"), [("Q4_K_N", "Q4_K_M"), ("Q4_K_MM", "Q4_K_M"), ("IQ4_XZ", "IQ4_XS")]
)
def test_a_misspelt_tag_gets_the_nearest_names(text: str, nearest: str) -> None:
    with pytest.raises(UnknownQuantization) as caught:
        decode_tag(text)
    assert nearest in caught.value.suggestions


@pytest.mark.parametrize(
    "text",
    ["mlx", "x-exl3", "torchao", "bitsandbytes", "gptq-3bit", "awq-8bit", "w4a8", "9bit mlx",
     "9.5bpw", "meta-llama/Llama-3.1-8B", "gguf", "native", "", "   ", "q" * 1_000_000],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_names_no_format_is_refused_with_a_next_step(text: str) -> None:
    with pytest.raises(UnknownQuantization) as caught:
        decode_tag(text)
    assert caught.value.suggestions
    assert caught.value.hint
    assert len(caught.value.message) < 200


@given(text=st.text(max_size=600))
def test_any_text_is_decoded_or_refused(text: str) -> None:
    try:
        decoded = decode_tag(text)
    except UnknownQuantization:
        return
    assert decode_tag(decoded.canonical).canonical == decoded.canonical


@pytest.mark.parametrize("text", ["EXL2-4.15bpw", "exl3_2.25bpw"])
def test_other_exl_widths_are_understood(text: str) -> None:
    decoded = decode_tag(text)
    assert decoded.container in ("exl2", "exl3")
    assert decoded.layout_name == decoded.canonical


def test_known_formats_hold_every_table_once() -> None:
    known = known_formats()
    assert len(known) == len(set(known))
    assert set(known) >= {*FILE_TYPES, *LAYOUTS}
    assert not set(known) & set(REMOVED_FILE_TYPES)
