from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.formats import KV_TYPES, default_kv_type, kv_type
from whichweights_schemas.errors import InvalidArgument


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("f32", 32), ("f16", 16), ("bf16", 16), ("q8_0", 8.5), ("q5_1", 6), ("q5_0", 5.5),
        ("q4_1", 5), ("q4_0", 4.5), ("iq4_nl", 4.5), ("fp8", 8), ("int8", 8), ("nvfp4", 4.5),
    ],
)  # fmt: skip
def test_an_element_takes_its_documented_bits(name: str, bits: float) -> None:
    assert kv_type(name).bits_per_element == bits


@given(name=st.sampled_from(sorted(KV_TYPES)), blocks=st.integers(0, 10**9))
def test_whole_blocks_take_exact_bytes(name: str, blocks: int) -> None:
    kind = KV_TYPES[name]
    assert kind.bytes_for(blocks * 32) == blocks * 32 * kind.bits_per_element / 8


@pytest.mark.parametrize(("text", "name"), [("FP16", "f16"), ("Q8-0", "q8_0"), ("fp8_e5m2", "fp8")])
def test_other_spellings_are_understood(text: str, name: str) -> None:
    assert kv_type(text).name == name


def test_an_engine_refuses_a_type_it_does_not_take_and_names_its_own() -> None:
    with pytest.raises(InvalidArgument) as caught:
        kv_type("q8_0", "vllm")
    assert caught.value.field == "kv_cache_type"
    assert "fp8" in caught.value.suggestions
    assert "q8_0" not in caught.value.suggestions


def test_a_type_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        kv_type("q3_k")


def test_quantized_types_need_flash_attention_in_llama_cpp_only() -> None:
    assert kv_type("q8_0").needs_flash_attention("llama.cpp")
    assert not kv_type("f16").needs_flash_attention("llama.cpp")
    assert not kv_type("fp8").needs_flash_attention("vllm")


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx"])
def test_the_default_of_an_engine_is_a_type_it_takes(engine: str) -> None:
    for dtype in ("bfloat16", "float16"):
        assert engine in default_kv_type(engine, dtype).engines
