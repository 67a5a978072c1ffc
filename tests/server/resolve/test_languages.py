"""A tag or a name is one language, or it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.resolve.languages import resolve_language
from whichweights_schemas.errors import UnknownLanguage


@pytest.mark.parametrize(
    ("written", "tag", "name"),
    [
        ("de", "de", "German"),
        ("DE", "de", "German"),
        ("German", "de", "German"),
        ("german", "de", "German"),
        ("Deutsch", "de", "German"),
        ("deu_Latn", "de", "German"),
        ("pt-BR", "pt-BR", "Portuguese (Brazil)"),
        ("Brazilian Portuguese", "pt-BR", "Portuguese (Brazil)"),
        ("thai", "th", "Thai"),
        ("urdu", "ur", "Urdu"),
        ("zh-Hant", "zh-Hant", "Chinese (Traditional)"),
    ],
)
def test_a_language_is_known_by_tag_and_by_name(written: str, tag: str, name: str):
    found = resolve_language(written)
    assert (found.input, found.tag, found.name) == (written, tag, name)


@pytest.mark.parametrize(
    "written",
    ["", " ", "xx", "xx-QQ", "foobarish", "klingonese123", "<de>", "de;en", "\x00", "\x00\x80\x80"],
)
def test_what_is_no_language_is_refused(written: str):
    with pytest.raises(UnknownLanguage) as caught:
        resolve_language(written)
    assert caught.value.field == "languages"


def test_a_near_name_is_suggested_not_taken():
    with pytest.raises(UnknownLanguage) as caught:
        resolve_language("klingonese123")
    assert caught.value.suggestions == ("Klingon",)


@given(st.text(max_size=30))
def test_any_text_is_a_language_or_an_error_of_the_caller(written: str):
    try:
        found = resolve_language(written)
    except UnknownLanguage:
        return
    assert found.tag
    assert found.name
