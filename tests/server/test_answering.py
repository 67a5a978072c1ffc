"""Evidence merged by source, each unknown and warning once, memory rounded once."""

from hypothesis import given
from hypothesis import strategies as st

from whichweights.answering import GIB, EvidenceLog, gib, gib_or_none, short_source
from whichweights_schemas.evidence import Evidence, Unknown


@given(st.integers(0, 2**60))
def test_gib_is_rounded_to_a_thousandth(size: int):
    assert abs(gib(size) * GIB - size) <= GIB / 2000 + size * 1e-12


def test_unknown_memory_stays_unknown():
    assert gib_or_none(None) is None
    assert gib_or_none(0) == 0.0
    assert gib_or_none(3 * GIB) == 3.0


def test_fields_of_one_source_are_merged_in_the_order_they_came():
    record = EvidenceLog()
    record.add("weights", "computed", "a formula")
    record.add(["total", "weights"], "computed", "a formula")
    record.add("weights", "published", "a table", date="2026-11")
    assert record.evidence == (
        Evidence(fields=("weights", "total"), basis="computed", source="a formula"),
        Evidence(fields=("weights",), basis="published", source="a table", date="2026-11"),
    )


def test_entries_that_differ_in_note_or_date_are_kept_apart():
    record = EvidenceLog()
    record.add("a", "published", "s", date="2025")
    record.add("a", "published", "s", date="2026")
    record.add("a", "published", "s", date="2026", note="n")
    assert len(record.evidence) == 3


def test_ready_made_evidence_gets_its_prefix():
    record = EvidenceLog()
    record.extend([Evidence(fields=("x", "y"), basis="exact", source="s")], prefix="de.")
    assert record.evidence[0].fields == ("de.x", "de.y")


def test_the_first_reason_of_an_unknown_stays():
    record = EvidenceLog()
    record.unknown("speed", "not measured")
    record.unknown("speed", "another reason")
    assert record.unknowns == (Unknown(field="speed", reason="not measured"),)


def test_a_warning_is_given_once():
    record = EvidenceLog()
    record.warn("b", "a")
    record.warn("b")
    assert record.warnings == ("b", "a")


def test_a_long_list_of_sources_is_cut_and_counted():
    sources = [f"source number {number} with a long name" for number in range(9)]
    short = short_source("; ".join(sources))
    assert short.startswith(sources[0])
    assert short.endswith("more")
    assert len(short) < 120
    assert short_source("one; two") == "one; two"


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1))
def test_no_source_is_dropped_without_being_counted(names: list[str]):
    short = short_source("; ".join(names)).split("; ")
    more = int(short.pop().split()[1]) if short[-1].startswith("and ") else 0
    assert len(short) + more == len(names)
