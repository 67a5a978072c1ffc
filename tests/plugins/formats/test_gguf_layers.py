"""What differs from layer to layer of a GGUF file: windows, heads, shared caches."""

from __future__ import annotations

from typing import Any

import pytest
from gguf_models import ATTENTION, MLP, mixers, model, read

from whichweights_schemas.attention import ChunkedAttention, FullAttention


@pytest.mark.parametrize(
    ("architecture", "keys", "kinds"),
    [
        ("gemma3", {"attention__sliding_window": 512}, "sssssf"),
        ("gemma2", {"attention__sliding_window": 512}, "sfsfsf"),
        ("llama", {"attention__sliding_window": 512}, "ffffff"),
        ("llama4", {}, "cccfcc"),
        (
            "step35",
            {
                "attention__sliding_window": 512,
                "attention__sliding_window_pattern": [True, False] * 3,
            },
            "sfsfsf",
        ),
        ("gemma3", {}, "ffffff"),
    ],
)
def test_windows_follow_the_file_or_the_rule_of_the_architecture(
    architecture: str, keys: dict[str, Any], kinds: str
) -> None:
    spec = read(architecture, model(*[{**ATTENTION, **MLP}] * 6), block_count=6, **keys)
    assert "".join(mixer.kind[0] for mixer in mixers(spec)) == kinds
    if architecture == "llama4":
        assert isinstance(spec.layer(0).attention, ChunkedAttention)
    if architecture == "llama":
        assert any("counted as full" in note for note in spec.notes)


def test_heads_may_differ_from_layer_to_layer() -> None:
    spec = read(
        "openelm",
        model({**ATTENTION, **MLP}, {**ATTENTION, **MLP}),
        attention__head_count=[4, 8],
        attention__head_count_kv=[2, 4],
    )
    first, second = mixers(spec)
    assert isinstance(first, FullAttention)
    assert isinstance(second, FullAttention)
    assert (first.head_dim, second.head_dim, second.kv_heads) == (64, 32, 4)


def test_one_projection_for_key_and_value_still_caches_both() -> None:
    block = {name: shape for name, shape in ATTENTION.items() if name != "attn_v.weight"}
    spec = read("gemma4", model({**block, **MLP}, {**block, **MLP}))
    attention = spec.layer(0).attention
    assert isinstance(attention, FullAttention)
    assert attention.key_equals_value


def test_shared_layers_reuse_an_earlier_cache() -> None:
    spec = read(
        "gemma4",
        model({**ATTENTION, **MLP}, {**ATTENTION, **MLP}),
        attention__shared_kv_layers=1,
    )
    assert [getattr(mixer, "shares_kv", None) for mixer in mixers(spec)] == [False, True]
