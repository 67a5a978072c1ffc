"""The lossless forms of arguments, one by one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from whichweights_schemas.tools._forms import (
    MAX_NAME_CHARACTERS,
    DailyTokens,
    Limit,
    Name,
    Names,
    NamesOrNone,
    Share,
    TokensOrZero,
    as_list,
    as_mapping,
    as_names,
    choice,
    clean_name,
    number,
    whole_number,
)


def accepts(form: Any, value: object) -> bool:
    try:
        TypeAdapter(form).validate_python(value)
    except ValidationError:
        return False
    return True


@given(st.integers(0, 10**12))
def test_a_whole_number_is_the_same_in_every_spelling(value: int):
    spellings = (value, float(value), str(value), f" {value:,} ", f"{value:_}")
    assert {whole_number(spelling) for spelling in spellings} == {value}


@given(st.integers(0, 10**6), st.sampled_from(["k", "K", "ki", " k", "m", "Mi"]))
def test_units_are_binary(value: int, unit: str):
    factor = 1024 if "k" in unit.lower() else 1024**2
    assert whole_number(f"{value}{unit}") == value * factor


@pytest.mark.parametrize(
    "value", ["1,5", "1,50", "12,34,56", "1__0", ",1", "1.5", "1e3", "0x10", "k", "5g", "3 4", "\n"]
)
def test_a_spelling_that_could_mean_two_things_is_refused(value: str):
    with pytest.raises(PydanticCustomError):
        whole_number(value)


@given(st.text())
def test_any_text_is_a_whole_number_or_refused_by_our_own_sentence(value: str):
    try:
        assert isinstance(whole_number(value), int)
    except PydanticCustomError as error:
        assert error.message().startswith("expects a whole number")  # noqa: PT017 - both ways are right


def test_what_is_no_spelling_of_a_number_is_left_to_pydantic():
    assert whole_number([1]) == [1]
    assert whole_number(None) is None


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_no_number(value: bool):
    for form in (TokensOrZero, DailyTokens, Limit, Share):
        assert not accepts(form, value)
    with pytest.raises(PydanticCustomError):
        number(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        (("a",), ("a",)),
        ('["a", "b"]', ["a", "b"]),
        ({"a": 1}, [{"a": 1}]),
        (7, [7]),
        ("[a", ["[a"]),
    ],
)
def test_a_scalar_is_a_list_of_one(value: object, expected: object):
    assert as_list(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("de", ["de"]),
        ("de, sw,pt-BR", ["de", " sw", "pt-BR"]),
        ('["de, sw"]', ["de, sw"]),
        (["de, sw"], ["de, sw"]),
        ("./models/a,b.gguf", ["./models/a,b.gguf"]),
    ],
)
def test_names_may_be_separated_by_commas(value: object, expected: object):
    assert as_names(value) == expected


@pytest.mark.parametrize("value", ["[a]", "[1,]", "[" * 100_000 + "]" * 100_000])
def test_a_broken_json_list_is_refused(value: str):
    with pytest.raises(PydanticCustomError):
        as_list(value)


def test_an_object_may_come_as_json():
    assert as_mapping('{"a": 1}') == {"a": 1}
    assert as_mapping({"a": 1}) == {"a": 1}
    with pytest.raises(PydanticCustomError):
        as_mapping("{")


@pytest.mark.parametrize("value", ["vLLM", "VLLM", " vllm "])
def test_a_choice_folds_case_and_blanks(value: str):
    assert choice()(value) == "vllm"


def test_a_choice_knows_its_aliases_however_they_are_joined():
    fold = choice(llamacpp="llama.cpp")
    assert {fold(value) for value in ("llama.cpp", "llama_cpp", "Llama-CPP", "llama cpp")} == {
        "llama.cpp"
    }
    assert choice()("multi-step") == "multi_step"
    assert choice()(7) == 7


@given(st.text())
def test_a_clean_name_is_printed_in_one_line(value: str):
    try:
        name = str(clean_name(value))
    except PydanticCustomError:
        return
    assert name == name.strip()
    assert 0 < len(name) <= MAX_NAME_CHARACTERS
    name.encode("utf-8")
    assert "\n" not in name
    assert "\x1b" not in name


@pytest.mark.parametrize("value", ["", " ", "a\x00", "a\nb", "\x7f", "\ud800", "x" * 301])
def test_a_name_that_harms_is_refused(value: str):
    assert not accepts(Name, value)
    assert not accepts(Names, [value])


def test_lists_of_names_have_their_sizes():
    assert not accepts(Names, [])
    assert accepts(Names, ["x"] * 16)
    assert not accepts(Names, ["x"] * 17)
    assert accepts(NamesOrNone, [])


@pytest.mark.parametrize(("value", "ok"), [(0, False), (0.5, True), ("0.5", True), (1, True)])
def test_a_share_is_more_than_nothing_and_at_most_all(value: object, ok: bool):
    assert accepts(Share, value) is ok
    assert not accepts(Share, 1.01)
    assert not accepts(Share, float("nan"))
