"""How licence tags are read: known ones by their text, all others not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.planning.licenses import read_license


@pytest.mark.parametrize(
    ("tag", "commercial", "open_source", "spdx"),
    [
        ("apache-2.0", "yes", True, "Apache-2.0"),
        ("mit", "yes", True, "MIT"),
        ("llama3.1", "conditions", False, None),
        ("gemma", "conditions", False, None),
        ("cc-by-nc-4.0", "no", False, "CC-BY-NC-4.0"),
        ("qwen-research", "no", False, None),
    ],
)
def test_known_tags_are_read(tag: str, commercial: str, open_source: bool, spdx: str | None):
    reading = read_license(tag)
    assert (reading.commercial_use, reading.open_source, reading.spdx) == (
        commercial,
        open_source,
        spdx,
    )
    assert reading.note


@pytest.mark.parametrize("tag", ["Apache-2.0", " APACHE-2.0 ", "apache-2.0"])
def test_a_tag_is_read_in_any_case(tag: str):
    assert read_license(tag).spdx == "Apache-2.0"


@pytest.mark.parametrize("tag", [None, "", "other", "unknown", "apache", "apache-2.0-with-changes"])
def test_what_was_not_read_is_unknown_never_allowed(tag: str | None):
    reading = read_license(tag)
    assert reading.commercial_use == "unknown"
    assert reading.open_source is None
    assert not reading.allows_commercial_use


@given(st.text())
def test_only_known_licences_allow_commercial_use(tag: str):
    reading = read_license(tag)
    assert reading.allows_commercial_use == (reading.commercial_use in ("yes", "conditions"))
    if reading.open_source:
        assert reading.commercial_use == "yes"
        assert reading.spdx
