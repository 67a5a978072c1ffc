"""count_tokens: images in messages, by the documented formula of an open family or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made import byte_level, write

from whichweights.toolbox import Toolbox
from whichweights_schemas.errors import InvalidArgument

TEXT = {"type": "text", "text": "What is this?"}
IMAGE = {"type": "image", "width": 1024, "height": 768}
QWEN = 37 * 27 + 2


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "Qwen2.5-VL-7B-Instruct", byte_level())
    return "./Qwen2.5-VL-7B-Instruct"


def message(*parts: object) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


async def test_an_image_adds_the_tokens_of_its_familys_formula(tools: Toolbox, model: str):
    plain = (await tools.count_tokens(models=model, messages=[message(TEXT)])).counts[0]
    answer = await tools.count_tokens(models=model, messages=[message(IMAGE, TEXT, IMAGE)])
    (count,) = answer.counts
    assert plain.tokens
    assert count.image_tokens == 2 * QWEN
    assert count.tokens == plain.tokens + 2 * QWEN
    assert count.raw_tokens == plain.raw_tokens
    assert count.method == "rule"
    assert plain.method == "rendered"
    assert plain.image_tokens is None
    (entry,) = [e for e in answer.evidence if "counts.image_tokens" in e.fields]
    assert entry.basis == "computed"
    assert "Qwen2-VL processor" in entry.source
    assert any("documented formula" in warning for warning in answer.warnings)


async def test_what_no_opened_source_states_is_said_to_be_assumed(
    tools: Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "Qwen3-VL-8B-Instruct", byte_level())
    answer = await tools.count_tokens(models="./Qwen3-VL-8B-Instruct", messages=[message(IMAGE)])
    entries = [e for e in answer.evidence if "counts.image_tokens" in e.fields]
    assert [entry.basis for entry in entries] == ["computed", "assumed"]
    assert any("assumed: that an image has at least 65,536" in said for said in answer.warnings)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "x", "width": 1024, "height": 768}},
        {"type": "image_url", "image_url": {"url": "x"}, "width": 1024, "height": 768},
        {"type": "input_image", "image_url": "x", "width": 1024, "height": 768},
    ],
)
async def test_the_forms_of_the_apis_are_taken(tools: Toolbox, model: str, part: dict[str, Any]):
    answer = await tools.count_tokens(models=model, messages=[message(part)])
    assert answer.counts[0].image_tokens == QWEN


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"type": "image"}, "width"),
        ({"type": "image", "width": 5}, "height"),
        ({"type": "image", "width": 0, "height": 5}, "width"),
        ({"type": "image", "width": 5, "height": 10**9}, "height"),
        ({"type": "image_url", "image_url": {"width": "5", "height": 5}}, "width"),
        ({"type": "image", "width": 1, "height": 2000}, None),
    ],
)
async def test_an_image_without_a_usable_size_is_named(
    tools: Toolbox, model: str, part: dict[str, Any], field: str | None
):
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models=model, messages=[message(TEXT, part)])
    place = "messages.0.content.1"
    assert caught.value.field == (f"{place}.{field}" if field else place)
    assert caught.value.hint


@pytest.mark.parametrize("other", ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "o200k_base"])
async def test_where_no_formula_is_documented_the_families_that_have_one_are_named(
    tools: Toolbox, other: str
):
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models=other, messages=[message(TEXT, IMAGE)])
    assert other in caught.value.message
    assert "Qwen3-VL" in caught.value.hint
