"""Estimates: bands that contain what tokenizers count, and that grow with the text."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.scripts import language_of
from whichweights.planning.token_estimates import Amount, of_amount, of_text
from whichweights.planning.tokens import tool_tokens, words_of
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import Fertility


def row(tokenizer: str, ratio: float, per_word: float = 1.25) -> Fertility:
    return Fertility(
        language="ta",
        tokenizer=tokenizer,
        ratio_to_english=ratio,
        tokens_per_english_word=per_word,
        corpus="flores200",
        evidence=Evidence(fields=("fertility",), basis="published", source="test"),
    )


@given(text=st.text(max_size=400))
def test_the_band_holds_the_value_and_nothing_negative(text: str):
    band = of_text(text)
    assert 0 <= band.low <= band.value <= band.high
    assert (band.high == 0) == (text == "")


@given(text=st.text(alphabet="abc d\n1!ж漢", min_size=1, max_size=300), times=st.integers(2, 5))
def test_more_of_the_same_text_is_estimated_in_proportion(text: str, times: int):
    joined = "\n" + text
    one, many = of_text(joined), of_text(joined * times)
    assert many.value == pytest.approx(times * one.value, abs=times * 2 + 2)


def test_a_long_text_is_sampled_to_the_same_density():
    text = "The model's own tokenizer on this text, or a band.\n" * 20
    short, long = of_text(text), of_text(text * 600)
    assert long.value == pytest.approx(600 * short.value, rel=0.05)


# o200k_base on these texts, counted with tiktoken 0.14.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("All happy families are alike; each unhappy one is so in its own way. " * 20, 321),
        ("def f(x: int) -> int:\n    return x ** 2  # square\n" * 20, 380),
        (base64.b64encode(bytes(range(256)) * 4).decode(), 926),
        ("Съешь ещё этих мягких булок, да выпей чаю. " * 20, 321),
    ],
)
def test_known_counts_lie_in_the_band(text: str, tokens: int):
    band = of_text(text)
    assert band.low <= tokens <= band.high


def test_hundred_pages_of_tamil_cost_what_the_measured_ratio_says():
    band = of_amount(Amount("ta", pages=100), [row("llama3", 7.63, 1.236)])
    assert band
    assert band.value == pytest.approx(100 * 300 * 1.236 * 7.63, rel=1e-4)
    assert band.low < band.value / 1.5
    assert band.high > band.value * 1.5


def test_an_unknown_vocabulary_gets_the_band_of_all_that_stand_in():
    one = of_amount(Amount("ta", words=1000), [row("a", 2.0)])
    several = of_amount(Amount("ta", words=1000), [row("a", 2.0), row("b", 7.0), row("c", 3.0)])
    assert one
    assert several
    assert several.low == one.low
    assert several.high > 3 * one.high
    assert of_amount(Amount("ta", words=1000), []) is None


def test_english_words_take_about_one_and_a_quarter_tokens():
    band = of_amount(Amount("en", words=10_000), [row("o200k_base", 1.0, 1.223)])
    assert band
    assert band.value == 12_230
    assert band.low <= 11_300 <= 13_000 <= band.high


def test_a_finnish_word_says_more_than_an_english_one():
    assert Amount("fi", words=750).english_words == pytest.approx(1000)
    assert Amount("fi-FI", pages=2).english_words == 600


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("தமிழ் ஒப்பந்தம் 100", "ta"),
        ("日本語の文章をカタカナで書く", "ja"),
        ("한국어 문장", "ko"),
        ("Ξεσκεπάζω την", "el"),
        ("Which weights?", None),
        ("Привет, мир", None),
        ("简体中文", None),
        ("नमस्ते", None),
        ("12345 !?", None),
        ("", None),
        ("the word தமிழ் in an English sentence", None),
    ],
)
def test_a_script_names_its_language_only_where_it_has_one(text: str, language: str | None):
    assert language_of(text) == language


@given(text=st.text(max_size=200))
def test_words_are_those_white_space_separates(text: str):
    assert words_of(text) == len(text.split())


@given(words=st.integers(0, 40_000))
def test_words_are_not_cut_by_the_steps_of_a_long_text(words: int):
    text = "weights " * words
    assert words_of(text) == words


def test_tools_follow_the_cookbooks_worked_example():
    """The notebook's own example, its text counted as one token a word here."""
    tool = {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "Get the weather.",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "The city."},
                    "unit": {"type": "string", "description": "The unit", "enum": ["c", "f"]},
                },
            },
        },
    }

    def count(text: str) -> int:
        return len(text.split())

    lines = count("get_current_weather:Get the weather")
    lines += count("location:string:The city") + count("unit:string:The unit") + 2
    # 7 a function, 3 for the block, 3 a property, -3 + 3 * 2 for the enumeration, 12 at the end.
    assert tool_tokens(count, [tool], 7) == lines + 7 + 3 + 3 * 2 + (-3 + 3 * 2) + 12
    assert tool_tokens(count, [], 7) == 0
