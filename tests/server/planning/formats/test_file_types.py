from __future__ import annotations

import pytest

from whichweights.planning.formats import (
    BLOCK_TYPES,
    FILE_TYPE_ALIASES,
    FILE_TYPES,
    REMOVED_FILE_TYPES,
    FileType,
    ImatrixNeed,
    file_type,
    file_type_by_id,
)
from whichweights_schemas.errors import UnknownQuantization


@pytest.mark.parametrize(
    ("name", "number"),
    [("F32", 0), ("F16", 1), ("Q4_K_M", 15), ("BF16", 32), ("MXFP4_MOE", 38), ("Q2_0", 41)],
)
def test_a_header_number_is_its_file_type_also_when_guessed(name: str, number: int) -> None:
    assert file_type_by_id(number) is FILE_TYPES[name]
    assert file_type_by_id(number | 1024) is FILE_TYPES[name]


def test_every_number_is_used_once_by_current_and_removed_types() -> None:
    rows = (*FILE_TYPES.values(), *REMOVED_FILE_TYPES.values())
    assert sorted(row.file_type_id for row in rows) == list(range(42))


def test_a_number_nobody_assigned_is_none() -> None:
    assert file_type_by_id(99) is None


@pytest.mark.parametrize("kind", FILE_TYPES.values(), ids=lambda kind: str(kind.name))
def test_every_default_type_is_a_block_type(kind: FileType) -> None:
    assert kind.default_type in BLOCK_TYPES


@pytest.mark.parametrize(("alias", "name"), FILE_TYPE_ALIASES.items())
def test_an_alias_is_the_type_it_stands_for(alias: str, name: str) -> None:
    assert file_type(alias.lower()) is FILE_TYPES[name]


@pytest.mark.parametrize("name", REMOVED_FILE_TYPES)
def test_a_removed_type_is_refused_with_its_successor(name: str) -> None:
    with pytest.raises(UnknownQuantization) as caught:
        file_type(name)
    assert caught.value.suggestions == ("Q4_0",)


def test_llama_quantize_demands_an_imatrix_for_the_very_low_bits_only() -> None:
    required = {kind.name for kind in FILE_TYPES.values() if kind.imatrix is ImatrixNeed.REQUIRED}
    assert required == {
        "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S",
    }  # fmt: skip
