from __future__ import annotations

import math

import pytest

from whichweights.planning.formats import (
    FILE_TYPES,
    LAYOUTS,
    perplexity_70b,
    published_loss,
    published_losses,
)


@pytest.mark.parametrize(
    ("name", "imatrix", "value"),
    [
        ("Q8_0", None, 0.0014), ("Q4_K_M", False, 0.031), ("Q4_K_M", True, 0.028),
        ("Q4_K_S", True, 0.032), ("IQ4_XS", True, 0.036), ("Q2_K", False, 0.445),
        ("IQ1_S", None, 2.25),
    ],
)  # fmt: skip
def test_a_published_loss_is_returned_with_its_source(
    name: str, imatrix: bool | None, value: float
) -> None:
    loss = published_loss(name, imatrix)
    assert loss is not None
    assert math.isclose(loss.value, value, rel_tol=0.05)
    assert (loss.model, loss.metric) == ("Llama 3 8B", "mean KL divergence against f16")
    assert loss.source
    assert loss.date


def test_without_a_word_on_the_imatrix_the_larger_loss_is_given() -> None:
    for name in FILE_TYPES:
        rows = published_losses(name)
        loss = published_loss(name)
        assert (loss is None) == (not rows)
        if loss is not None:
            assert loss.value == max(row.value for row in rows)


@pytest.mark.parametrize("name", [*LAYOUTS, "BF16", "TQ1_0", "MXFP4_MOE", "UD-Q4_K_XL"])
def test_where_nothing_is_published_nothing_is_given(name: str) -> None:
    assert published_loss(name) is None


def test_i_quants_have_no_figure_without_an_imatrix() -> None:
    assert published_loss("IQ4_XS", imatrix=False) is None


def test_the_larger_model_loses_less_perplexity_at_four_bits() -> None:
    row = perplexity_70b("q4_k_m")
    assert row is not None
    assert math.isclose(row.perplexity / row.baseline_f16, 1.048, abs_tol=0.001)
    assert perplexity_70b("Q4_0") is None
