"""The glossary: found by name and alias, and its figures agree with the planner's."""

from __future__ import annotations

from math import isclose

import pytest

from whichweights.planning.formats import decode_tag, kv_type, published_loss
from whichweights.planning.glossary import GLOSSARY, find_term


@pytest.mark.parametrize(
    "name",
    ["pruning", "Distillation", "low-rank", "LOW_RANK", "weight sharing", "sparsity", "QAT", "bpw"],
)
def test_a_word_is_found_in_any_spelling(name: str):
    assert find_term(name) is not None


def test_an_unknown_word_is_not_guessed():
    assert find_term("quantum") is None


@pytest.mark.parametrize("term", GLOSSARY.values(), ids=lambda term: term.term)
def test_every_term_says_what_it_does_to_memory_and_what_is_known(term: object):
    words = [getattr(term, part) for part in ("meaning", "memory", "evidence")]
    assert all(text.endswith(".") for text in words)
    assert sum(len(text.split()) for text in words) < 110


def test_no_two_terms_share_a_name():
    names = [name.lower() for term in GLOSSARY.values() for name in (term.term, *term.aliases)]
    assert len(names) == len(set(names))


def test_the_losses_it_quotes_are_the_published_ones():
    quoted = {"Q4_K_M": 0.031, "Q4_0": 0.072, "IQ4_XS": 0.036, "IQ3_M": 0.103, "Q2_K": 0.445}
    text = " ".join(term.evidence for term in GLOSSARY.values())
    for name, value in quoted.items():
        loss = published_loss(name)
        assert loss is not None
        assert isclose(loss.value, value, abs_tol=0.0006)
        assert f"{value:.3f}".lstrip("0") in text


def test_the_bits_it_quotes_are_the_planners():
    text = GLOSSARY["k-quant"].evidence + GLOSSARY["i-quant"].evidence
    for name in ("Q4_K_M", "Q4_0", "IQ4_XS", "IQ3_M", "IQ2_XXS"):
        bits = decode_tag(name).bits_per_weight
        assert bits is not None
        assert f"{bits:.2f} bits" in text or f"at {bits:.2f}" in text


def test_the_shares_of_a_quantized_cache_are_the_planners():
    memory = GLOSSARY["kv cache quantization"].memory
    for name in ("q8_0", "q4_0", "fp8"):
        share = round(100 * kv_type(name).bits_per_element / 16)
        assert f"{name} takes {share} %" in memory or f"{name} {share} %" in memory
