"""count_tokens: the encodings of OpenAI exactly, every other model refused."""

from collections.abc import Sequence
from typing import Any, ClassVar

import anyio
import pytest

from whichweights.registry import Registry
from whichweights.testing import FakeModels, FakeTokenizers
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights_schemas.errors import InputTooLarge, InvalidArgument, ModelNotFound, NoTokenizer

MOST_BYTES = 8_000_000
# Counted with tiktoken 0.13 against the published vocabularies.
KNOWN = [
    ("hello world", "o200k_base", 2),
    ("hello world", "cl100k_base", 2),
    ("", "o200k_base", 0),
    ("antidisestablishmentarianism", "cl100k_base", 6),
    ("Donaudampfschifffahrtsgesellschaft", "o200k_base", 10),
    ("<|endoftext|>", "o200k_base", 7),
    ("日本語のテキスト", "o200k_base", 6),
]


@pytest.mark.parametrize(("text", "encoding", "tokens"), KNOWN)
async def test_an_encoding_counts_exactly(tools: Toolbox, text: str, encoding: str, tokens: int):
    answer = await tools.count_tokens(models=encoding, text=text)
    (count,) = answer.counts
    assert (count.tokens, count.low, count.high) == (tokens, tokens, tokens)
    assert count.method == "exact"
    assert count.tokenizer == encoding
    assert answer.input.characters == len(text)
    assert answer.input.bytes == len(text.encode())
    assert any(entry.basis == "exact" for entry in answer.evidence)


async def test_a_model_counts_with_its_encoding_window_and_price(tools: Toolbox):
    answer = await tools.count_tokens(
        models="gpt-4o", text="word " * 1000, expected_output_tokens="1k"
    )
    (count,) = answer.counts
    assert count.tokens is not None
    assert count.context_window == 128_000
    assert count.context_used_percent == pytest.approx(100 * count.tokens / 128_000, abs=1e-4)
    assert count.input_cost_usd == pytest.approx(count.tokens * 2.5e-6)
    assert count.total_cost_usd == pytest.approx(count.tokens * 2.5e-6 + 1024 * 10e-6)
    assert count.characters_per_token == pytest.approx(5000 / count.tokens, abs=1e-3)
    prices = [e for e in answer.evidence if "counts.input_cost_usd" in e.fields]
    assert prices
    assert prices[0].date


async def test_several_models_are_counted_in_order(tools: Toolbox):
    answer = await tools.count_tokens(models=["gpt-4", "gpt-4o", "o200k_base"], text="Grüße")
    assert [count.model for count in answer.counts] == ["gpt-4", "gpt-4o", "o200k_base"]
    assert [count.tokenizer for count in answer.counts] == [
        "cl100k_base",
        "o200k_base",
        "o200k_base",
    ]


async def test_what_an_encoding_has_no_window_for_is_listed_as_unknown(tools: Toolbox):
    answer = await tools.count_tokens(models="o200k_base", text="x")
    fields = {entry.field for entry in answer.unknown}
    assert "counts[o200k_base].context_window" in fields
    assert "counts[o200k_base].input_cost_usd" in fields


async def test_messages_follow_the_documented_rule(tools: Toolbox):
    messages = [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": "hi", "name": "ann"},
    ]
    answer = await tools.count_tokens(models="gpt-4o", messages=messages)
    (count,) = answer.counts
    raw = 0
    around = 0
    for message in messages:
        raw += await tokens_of(tools, message["content"])
        around += await tokens_of(tools, message["role"])
    around += await tokens_of(tools, "ann")
    assert count.raw_tokens == raw
    # 3 for each message, 1 for a name, 3 for the reply (OpenAI cookbook, gpt-4o).
    assert count.tokens == raw + around + 3 * 2 + 1 + 3
    assert count.method == "rule"
    assert any(e.note and "documented for" in e.note for e in answer.evidence)


async def tokens_of(tools: Toolbox, text: str) -> int:
    count = (await tools.count_tokens(models="gpt-4o", text=text)).counts[0].tokens
    assert count is not None
    return count


async def test_one_message_and_a_json_string_of_messages_are_accepted(tools: Toolbox):
    message = {"role": "user", "content": "hi"}
    forms: list[Any] = [message, [message], '[{"role": "user", "content": "hi"}]']
    counts = {
        (await tools.count_tokens(model="gpt-4o", messages=form)).counts[0].tokens for form in forms
    }
    assert len(counts) == 1


async def test_messages_are_refused_where_no_rule_is_documented(tools: Toolbox):
    message = {"role": "user", "content": "hello world"}
    with pytest.raises(NoTokenizer) as caught:
        await tools.count_tokens(models="cl100k_base", messages=message)
    assert "2 tokens" in caught.value.message


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5-mini", "gpt-4.1", "o3", "o4-mini"])
async def test_later_models_count_messages_by_the_rule_with_a_band_and_say_so(
    tools: Toolbox, model: str
):
    message = {"role": "user", "content": "hello world"}
    answer = await tools.count_tokens(models=[model, "gpt-4o"], messages=message)
    later, documented = answer.counts
    assert (later.method, later.raw_tokens, later.tokens) == ("rule", 2, documented.tokens)
    assert later.low is not None
    assert later.high is not None
    assert 2 < later.low < (later.tokens or 0) < later.high
    assert documented.low == documented.high
    (warning,) = answer.warnings
    assert warning.startswith(f"{model}: ")
    assert "gpt-4o" in warning
    assert any(e.basis == "assumed" for e in answer.evidence)


async def test_one_token_is_written_in_the_singular(tools: Toolbox):
    said = (await tools.call("count_tokens", {"models": "gpt-4o", "text": "hi"})).text
    assert said.startswith("gpt-4o: 1 token (exact")


class OneTokenizer(FakeTokenizers):
    """Has a tokenizer for no model."""

    tokenizer_names: ClassVar[Sequence[str]] = ("bytes",)


@pytest.mark.parametrize("model", ["fake/Fake-1B", "7B"])
async def test_a_model_without_its_own_tokenizer_is_refused_not_guessed(model: str):
    registry = Registry(entry_points=())
    registry.add("models", FakeModels)
    registry.add("tokenizers", OneTokenizer)
    with pytest.raises(NoTokenizer) as caught:
        await Toolbox(registry, tool_specs()).count_tokens(models=model, text="hello")
    assert caught.value.field == "models"
    assert caught.value.hint


async def test_an_unknown_encoding_names_the_nearest(tools: Toolbox):
    with pytest.raises(ModelNotFound) as caught:
        await tools.count_tokens(models="cl100k", text="hello")
    assert caught.value.field == "models"
    assert caught.value.suggestions[0] == "cl100k_base"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "nothing to count"),
        ({"text": "a", "path": "b"}, "text and path were given together"),
    ],
)
async def test_exactly_one_text_is_counted(tools: Toolbox, arguments: dict[str, Any], message: str):
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models="gpt-4o", **arguments)
    assert caught.value.message == message


async def test_eight_megabytes_are_counted_and_one_byte_more_is_refused(tools: Toolbox):
    text = "All happy families are alike. " * (MOST_BYTES // 30)
    text += "x" * (MOST_BYTES - len(text))
    with anyio.fail_after(80):
        answer = await tools.count_tokens(models="o200k_base", text=text)
    assert answer.input.bytes == MOST_BYTES
    with pytest.raises(InputTooLarge) as caught:
        await tools.count_tokens(models="o200k_base", text=text + "x")
    assert "8,000,001 bytes" in caught.value.message


async def test_names_in_messages_count_against_the_limit(tools: Toolbox):
    messages = [{"role": "user", "content": "", "name": "x" * MOST_BYTES}]
    with pytest.raises(InputTooLarge) as caught:
        await tools.count_tokens(models="o200k_base", messages=messages)
    assert caught.value.field == "messages"


async def test_the_first_pieces_are_shown_on_request(tools: Toolbox):
    answer = await tools.count_tokens(models="o200k_base", text="hello world again", show_tokens=2)
    assert answer.counts[0].pieces == ("hello", " world")
    none = await tools.count_tokens(models="o200k_base", text="hello world again")
    assert none.counts[0].pieces is None


async def test_a_lone_surrogate_is_counted_and_harms_nobody(tools: Toolbox):
    answer = await tools.call(
        "count_tokens", {"models": "o200k_base", "text": "a\ud800b", "show_tokens": 9}
    )
    assert not answer.is_error
    str(answer.structured).encode("utf-8")


async def test_the_text_says_count_method_and_share(tools: Toolbox):
    answer = await tools.call("count_tokens", {"models": "gpt-4o", "text": "hello world"})
    assert answer.text == (
        "gpt-4o: 2 tokens (exact, o200k_base), under 0.1 % of its window of 128,000, "
        "$0.000005 at list price"
    )
