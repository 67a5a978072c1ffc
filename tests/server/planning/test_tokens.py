"""Arithmetic around a token count."""

from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.tokens import message_overhead, show_pieces, words_of
from whichweights.testing import FakeTokenizers, construct
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import MessageRule

RULE = MessageRule(per_message=3, per_name=1, reply=3, documented_for=("gpt-4o",), source="s")


def test_words_are_what_white_space_separates():
    assert words_of("") == 0
    assert words_of(" one\ttwo\nthree ") == 3


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_each_message_and_name_and_the_reply_cost(messages: int, named: int):
    cost = message_overhead(RULE, messages=messages, named=named)
    assert cost == 3 * messages + named + 3


def test_no_messages_cost_nothing():
    assert message_overhead(RULE, messages=0, named=0) == 0


async def test_only_the_first_pieces_are_shown():
    tokenizer = await construct(FakeTokenizers).tokenizer(TokenizerRequest(name="bytes"))
    assert tokenizer is not None
    assert show_pieces(tokenizer, "one", 2) == ("o", "n")
    assert show_pieces(tokenizer, "", 2) == ()
    assert show_pieces(tokenizer, "é", 2) == ("\\xc3", "\\xa9")
