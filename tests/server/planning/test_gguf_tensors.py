"""Tensor names against the tables of llama.cpp's own test snapshots."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from specs import DEEPSEEK_V3, GEMMA_3_4B, GPT_OSS_120B, LLAMA_33_70B, SIZE_ONLY

from whichweights.planning.formats.mixture import plan_mixture
from whichweights.planning.gguf_tensors import model_tensors
from whichweights_schemas.models import ModelSpec

_DATA = Path(__file__).parents[2] / "data" / "gguf_tensor_types.jsonl.gz"
_CASES = {
    "Meta-Llama-3.1-70B-Instruct": LLAMA_33_70B,
    "gemma-3-4b-it": GEMMA_3_4B,
    "gpt-oss-120b": GPT_OSS_120B,
    "DeepSeek-V3.1": DEEPSEEK_V3,
}


def _records() -> list[dict[str, Any]]:
    with gzip.open(_DATA, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", _CASES)
@pytest.mark.parametrize("file_type", ["Q4_K_M", "IQ2_XXS", "MXFP4_MOE", "Q2_K"])
def test_as_many_tensors_of_each_type_as_llama_quantize_makes(name: str, file_type: str):
    expected = next(
        record["counts"]
        for record in _records()
        if record.get("model") == name and record.get("file_type") == file_type
    )
    tensors = model_tensors(_CASES[name])
    assert tensors is not None
    plan = plan_mixture([tensor for _, tensor in tensors.named()], tensors.facts, file_type)
    found = dict(plan.counts)
    found.pop("F32", None)
    missing = {kind: count - found.get(kind, 0) for kind, count in expected.items()}
    # The tables leave out tensors that always have the default type (attn_v_b of MLA).
    surplus = {kind: -count for kind, count in missing.items() if count}
    if name == "DeepSeek-V3.1":
        assert set(surplus.values()) <= {61}
        assert sum(found.values()) - sum(expected.values()) == 61
    else:
        assert found == expected


@pytest.mark.parametrize("spec", list(_CASES.values()), ids=lambda spec: spec.id)
def test_names_are_unique_in_a_file(spec: ModelSpec):
    tensors = model_tensors(spec)
    assert tensors is not None
    names = [tensor.name for _, tensor in tensors.named()]
    assert len(names) == len(set(names))


def test_a_model_without_a_known_shape_has_no_list():
    assert model_tensors(SIZE_ONLY) is None
