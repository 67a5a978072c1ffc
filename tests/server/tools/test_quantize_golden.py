"""Whole plans for ten machines, compared with what was read and accepted before.

`pytest tests/server/tools/test_quantize_golden.py --update` writes the present answers: read the
difference before committing it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from whichweights import open_toolbox
from whichweights.toolbox import Toolbox

GOLDEN = Path(__file__).parents[2] / "data" / "golden" / "plans"
SITUATIONS: dict[str, dict[str, Any]] = {
    "laptop_8gb": {"model": "qwen3 8b", "accelerators": "RTX 4060 Laptop GPU"},
    "card_24gb": {"model": "google/gemma-3-27b-it", "accelerators": "RTX 4090"},
    "two_24gb": {"model": "llama 3.3 70b", "accelerators": "2x RTX 3090"},
    "h100": {"model": "llama 3.3 70b", "accelerators": "H100 80GB", "engine": "vllm"},
    "h200": {"model": "openai/gpt-oss-120b", "accelerators": "H200", "quality": "best"},
    "mac_64gb": {"model": "qwen3 32b", "accelerators": "M3 Max 64GB"},
    "cpu_only": {"model": "llama 3.1 8b", "accelerators": "32GiB RAM"},
    "gb10": {"model": "openai/gpt-oss-120b", "accelerators": "GB10"},
    "mi300x": {"model": "llama 3.3 70b", "accelerators": "MI300X", "context_tokens": 32_768},
    "rtx_5090": {"model": "qwen3 32b", "accelerators": "RTX 5090", "tag": "Q5_K_M"},
}


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as tools:
        yield tools


@pytest.mark.parametrize("name", SITUATIONS)
async def test_the_plan_is_the_one_that_was_accepted(
    toolbox: Toolbox, name: str, request: pytest.FixtureRequest
):
    answer = await toolbox.call("quantize_plan", SITUATIONS[name])
    assert not answer.is_error, answer.text
    # Who else was asked depends on what is installed and reachable, not on the plan.
    structured = {key: value for key, value in answer.structured.items() if key != "providers"}
    found = {"arguments": SITUATIONS[name], "text": answer.text, "structured": structured}
    path = GOLDEN / f"{name}.json"
    written = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    if request.config.getoption("update"):
        path.write_text(written, encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(written)


def test_no_accepted_plan_is_left_over():
    names = {path.stem for path in GOLDEN.glob("*.json")}
    assert names == set(SITUATIONS)
