"""Claims about tokens that circulate, each held against what the tools say.

The claims are those of introductory articles on choosing a model; each name says the verdict.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from whichweights.config import Config
from whichweights.toolbox import Toolbox, open_toolbox

QUESTION = "What is the tallest mountain in the world?"
VOCABULARIES = ["cl100k_base", "o200k_base", "llama3", "qwen3", "kimi_k2"]
PROSE = (
    "Everyone has the right to rest and leisure, and to a home that is warm in winter. The village "
    "lies at the end of a long valley, and the road that leads to it follows the river. In spring "
    "the water rises and the lower fields are flooded for some weeks. People have lived here for "
    "many hundred years; they keep sheep, make cheese and sell wood to the towns in the plain. "
    "When the old bridge was carried away, they built a new one of stone and gave it a name. "
)
TAMIL = "மனிதர்கள் அனைவரும் சுதந்திரமாகவே பிறக்கின்றனர்; உரிமைகளில் சமமானவர்கள்."


@pytest.fixture
async def tools() -> AsyncGenerator[Toolbox]:
    async with open_toolbox(Config()) as toolbox:
        yield toolbox


async def test_a_short_english_question_has_about_as_many_tokens_as_words_on_every_tokenizer(
    tools: Toolbox,
):
    answer = await tools.count_tokens(models=VOCABULARIES, text=QUESTION)
    counts = {count.tokenizer: count.tokens for count in answer.counts}
    assert answer.input.words == 8
    assert all(tokens in (8, 9) for tokens in counts.values())
    assert len(counts) == len(VOCABULARIES)


async def test_tokens_are_what_is_billed_and_what_fills_the_window(tools: Toolbox):
    answer = await tools.count_tokens(models="gpt-4o", text=PROSE, expected_output_tokens=500)
    (count,) = answer.counts
    assert count.tokens
    assert count.input_cost_usd == pytest.approx(count.tokens * 2.5e-6)
    assert count.total_cost_usd == pytest.approx(count.tokens * 2.5e-6 + 500 * 10e-6)
    assert count.context_used_percent == pytest.approx(100 * count.tokens / 128_000, abs=1e-4)


async def test_one_point_three_tokens_a_word_is_an_upper_figure_for_english_prose(tools: Toolbox):
    answer = await tools.count_tokens(models=VOCABULARIES, text=PROSE)
    for count in answer.counts:
        assert count.tokens_per_word is not None
        assert 1.05 < count.tokens_per_word < 1.3


async def test_one_point_three_tokens_a_word_does_not_hold_for_other_languages(tools: Toolbox):
    answer = await tools.count_tokens(models=["llama3", "o200k_base"], text=TAMIL)
    llama, newer = answer.counts
    assert (llama.tokens_per_word or 0) > 8
    assert (newer.tokens_per_word or 0) > 1.6
    assert llama.times_english == pytest.approx(7.63)


async def test_one_point_three_tokens_a_word_does_not_hold_for_code(tools: Toolbox):
    code = "def area(self, x1: float, y1: float) -> float:\n    return abs(x1 * y1) / 2.0\n" * 5
    answer = await tools.count_tokens(models="o200k_base", text=code)
    assert (answer.counts[0].tokens_per_word or 0) > 2


async def test_a_query_is_more_than_its_text_template_and_tools_are_added(tools: Toolbox):
    messages = [
        {"role": "system", "content": "You answer in one sentence."},
        {"role": "user", "content": QUESTION},
    ]
    tool = {
        "name": "search",
        "description": "Looks something up.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    }
    for model, method in (
        ("gpt-4o", "rule"),
        ("openai/gpt-oss-20b", "rendered"),
        ("mistral-v3-tekken", "rendered"),
    ):
        chat = (await tools.count_tokens(models=model, messages=messages)).counts[0]
        with_tool = (
            await tools.count_tokens(models=model, messages=messages, tools=[tool])
        ).counts[0]
        assert chat.method == method
        assert chat.raw_tokens is not None
        assert chat.tokens is not None
        assert with_tool.tokens is not None
        assert with_tool.raw_tokens == chat.raw_tokens < chat.tokens
        assert with_tool.tokens > chat.tokens + 15


async def test_each_model_has_its_own_tokenizer(tools: Toolbox):
    answer = await tools.count_tokens(models=VOCABULARIES, text=TAMIL)
    counts = [count.tokens or 0 for count in answer.counts]
    assert len(set(counts)) >= 4
    assert max(counts) > 3 * min(counts)


async def test_text_is_not_broken_into_words_but_into_pieces_of_them(tools: Toolbox):
    answer = await tools.count_tokens(
        models="o200k_base", text="antidisestablishmentarianism", show_tokens=20
    )
    pieces = answer.counts[0].pieces
    assert pieces
    assert len(pieces) > 3
    assert "".join(pieces) == "antidisestablishmentarianism"


async def test_the_window_holds_the_prompt_and_what_is_left_is_for_the_output(tools: Toolbox):
    answer = await tools.count_tokens(models="llama 3.1 8b", text=PROSE * 100)
    (count,) = answer.counts
    assert count.context_window
    assert count.tokens
    assert count.context_used_percent == pytest.approx(
        100 * count.tokens / count.context_window, abs=1e-4
    )
