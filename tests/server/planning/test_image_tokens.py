"""Tokens of images: the families' own processors, by their published figures and code."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from whichweights.planning.image_tokens import RULES, Rows, image_rule_of


def tokens(model: str, width: int, height: int) -> int:
    rule = image_rule_of(model)
    assert rule is not None
    return rule.formula.tokens(width, height)


@pytest.mark.parametrize(
    ("model", "width", "height", "expected"),
    [
        # smart_resize of transformers 5.24.0, run by hand; two marks around.
        ("Qwen/Qwen2.5-VL-7B-Instruct", 1024, 768, 37 * 27 + 2),
        ("Qwen/Qwen2-VL-7B-Instruct", 10, 10, 4 + 2),
        ("Qwen/Qwen2.5-VL-7B-Instruct", 8000, 8000, 128 * 128 + 2),
        ("qwen3-vl 8b", 1024, 768, 32 * 24 + 2),
        ("Qwen/Qwen3-VL-8B-Instruct", 32, 32, 64 + 2),
        ("google/gemma-3-12b-it", 1, 1, 260),
        ("llava-hf/llava-1.5-7b-hf", 1, 1, 576),
        # One tile; two tiles with a mark between and after the row, then the whole image.
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 336, 336, 144 + 3),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 672, 336, 2 * 144 + 2 + 144 + 3),
        ("OpenGVLab/InternVL3-8B", 448, 448, 256 + 2),
        ("OpenGVLab/InternVL2_5-8B", 1344, 896, 7 * 256 + 2),
        ("mistralai/Pixtral-12B-2409", 1024, 1024, 65 * 64),
        ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 1540, 1540, 56 * 55),
    ],
)
def test_an_image_takes_what_the_processor_puts_in_the_prompt(
    model: str, width: int, height: int, expected: int
):
    assert tokens(model, width, height) == expected


@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_rows_are_those_of_mistral_common(width: int, height: int):
    assume(max(width, height) <= 100 * min(width, height))
    image: Any = importlib.import_module("mistral_common.tokens.tokenizers.image")
    for cell, longest, merge in ((16, 1024, 1), (14, 1540, 2)):
        config = image.ImageConfig(
            image_patch_size=cell, max_image_size=longest, spatial_merge_size=merge
        )
        encoder = image.ImageEncoder(
            config, image.SpecialImageIDs(img=10, img_break=12, img_end=13)
        )

        class Sized:
            size = (width, height)

        across, down = encoder._image_to_num_tokens(Sized())
        ours = Rows(cell=cell * merge, longest=longest).tokens(width, height)
        assert ours == (across + 1) * down  # a mark ends each row


@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_every_formula_stays_within_its_bounds(width: int, height: int):
    for rule in RULES:
        if max(width, height) <= 200 * min(width, height):
            assert 1 <= rule.formula.tokens(width, height) <= 16_384 * 1.2


@pytest.mark.parametrize(
    "name", ["gpt-4o", "google/gemma-3-1b-it", "Qwen/Qwen3-8B", "InternVL3_5-8B-Flash"]
)
def test_a_family_without_a_documented_formula_has_no_rule(name: str):
    assert image_rule_of(name) is None


def test_the_documents_name_every_family_with_a_formula():
    page = (Path(__file__).parents[3] / "docs" / "figures.md").read_text(encoding="utf-8")
    words = " ".join(page.split())
    assert [rule.family for rule in RULES if rule.family not in words] == []
