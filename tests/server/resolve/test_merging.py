"""Missing fields are filled in the order of the providers; what is known stays, with its source."""

from collections.abc import Sequence
from typing import Any

import pytest

from whichweights.registry import ProviderSession, Registry
from whichweights.resolve.merging import filled
from whichweights.resolve.models import resolve_model
from whichweights.testing import FakeModels, fake_model
from whichweights_schemas.errors import (
    ModelGated,
    ModelNotFound,
    Offline,
    ProviderFailed,
    ProviderTimeout,
)
from whichweights_schemas.evidence import Evidence, Unknown
from whichweights_schemas.models import ModelRef, ModelSpec, ParameterCounts
from whichweights_schemas.requests import FindModel

ID = "inventors/Thing-1B"
KNOWN = fake_model(ID).model_copy(
    update={
        "evidence": (
            Evidence(fields=("blocks", "license"), basis="exact", source="table", date="2026-01"),
            Evidence(fields=("family",), basis="exact", source="other table", date="2026-01"),
        )
    }
)


def shapeless(total: int | None = KNOWN.parameters.total, **changes: Any) -> ModelSpec:
    """As a gated repository is told: counts and sizes, no shape."""
    values: dict[str, Any] = {
        "id": ID,
        "display_name": "Thing",
        "parameters": ParameterCounts(total=total, total_basis="exact"),
        "license": "custom",
        "unknown": (Unknown(field="blocks", reason="gated"),),
        "evidence": (Evidence(fields=("parameters.total",), basis="exact", source="the Hub"),),
        **changes,
    }
    return ModelSpec(**values)


def test_a_shape_is_taken_whole_and_its_source_comes_along():
    spec = filled(shapeless(), KNOWN, "catalogue")
    assert (spec.blocks, spec.layout, spec.hidden_size) == (
        KNOWN.blocks, KNOWN.layout, KNOWN.hidden_size,
    )  # fmt: skip
    assert spec.unknown == ()
    assert [entry.source for entry in spec.evidence][:2] == ["the Hub", "table"]
    assert any("the shape" in note and "catalogue" in note for note in spec.notes)


def test_what_is_known_stays():
    spec = filled(shapeless(), KNOWN.model_copy(update={"license": "mit"}), "catalogue")
    assert spec.license == "custom"
    assert spec.parameters.total_basis == "exact"


def test_a_shape_of_another_size_is_not_taken():
    spec = filled(shapeless(total=10**12), KNOWN, "catalogue")
    assert spec.layout == ()
    assert [entry.field for entry in spec.unknown] == ["blocks"]


def test_the_shape_of_the_base_is_taken_by_a_copy_of_the_same_size_and_nothing_else_is():
    base = KNOWN.model_copy(update={"id": "inventors/Base", "license": "mit", "tool_use": True})
    spec = filled(shapeless(license=None), base, "catalogue")
    assert spec.layout == base.layout
    assert (spec.license, spec.tool_use) == (None, None)
    assert any("inventors/Base" in note for note in spec.notes)


@pytest.mark.parametrize("total", [None, 10**12])
def test_the_shape_of_the_base_is_not_taken_where_the_size_does_not_prove_it(total: int | None):
    base = KNOWN.model_copy(update={"id": "inventors/Base"})
    assert filled(shapeless(total=total), base, "catalogue").layout == ()


def test_a_spec_that_lacks_nothing_is_left_as_it_is():
    assert filled(KNOWN, KNOWN, "other") is KNOWN


def test_an_unknown_count_is_filled_with_its_basis():
    spec = filled(shapeless(total=None), KNOWN, "catalogue")
    assert spec.parameters.total == KNOWN.parameters.total
    assert spec.parameters.total_basis == KNOWN.parameters.total_basis


class Near(FakeModels):
    """Knows the shape of one model."""

    known: Sequence[str] = (ID,)
    asked: list[str]

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        self.asked.append(request.query)
        match = "id" if request.query in self.known else None
        return [ModelRef(id=ID, provider=self.name, match=match)] if match else []

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        self.asked.append(f"spec {ref.id}")
        return KNOWN if ref.id == ID and self.known else None


class Far(Near):
    """Asks another machine."""

    last_resort = True

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        self.asked.append(f"spec {ref.id}")
        return shapeless(id=ref.id).model_copy(update={"revision": ref.revision})

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        self.asked.append(request.query)
        return [
            ModelRef(id=request.query, provider=self.name, match="id", revision=request.revision)
        ]


def session_of(
    near: type[Near] = Near, far: type[Near] = Far, **known: Any
) -> tuple[ProviderSession, list[str], list[str]]:
    """A session, and what each provider was asked. The one far away comes first in order."""
    asked: tuple[list[str], list[str]] = ([], [])
    registry = Registry(entry_points=())
    for name, kind, log in (("far", far, asked[1]), ("near", near, asked[0])):
        extra = known if name == "near" else {}
        namespace = {"asked": log, "__module__": __name__, **extra}
        registry.add(name, type(name.title(), (kind,), namespace))
    return registry.session(), *asked


async def test_what_is_known_at_hand_is_never_asked_of_another_machine():
    session, _, far = session_of()
    resolved = await resolve_model(session, ID)
    assert resolved.provider == "near"
    assert far == []
    assert [report.name for report in session.reports] == ["near"]


async def test_what_is_not_known_at_hand_is_asked_elsewhere_and_its_shape_filled_from_here():
    session, near, far = session_of(known=("something else",))
    resolved = await resolve_model(session, ID)
    assert resolved.provider == "far"
    assert resolved.spec.layout == KNOWN.layout
    assert resolved.spec.license == "custom"
    assert far == [ID, f"spec {ID}"]
    assert near == [ID, f"spec {ID}"]


async def test_a_revision_nobody_here_knows_is_asked_elsewhere():
    session, _, far = session_of()
    resolved = await resolve_model(session, f"{ID}@abc123")
    assert resolved.provider == "far"
    assert resolved.spec.revision == "abc123"
    assert resolved.notes == ()
    assert far == [ID, f"spec {ID}"]


class Mute(Far):
    """Another machine that is not there."""

    error: Exception = ProviderFailed("the Hub could not be reached")

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [ProviderFailed("out of reach"), ProviderTimeout("out of reach"), Offline("out of reach")],
)
async def test_an_id_nobody_could_be_asked_about_is_undecided_and_not_unknown(error: Exception):
    mute = type("Deaf", (Mute,), {"error": error, "asked": [], "__module__": __name__})
    session, _, _ = session_of(far=mute)
    with pytest.raises(type(error), match=r"\(far: out of reach\)"):
        await resolve_model(session, "nobody/nothing")


async def test_a_name_like_nothing_here_is_not_found_and_says_who_was_not_asked():
    session, _, _ = session_of(far=Mute)
    with pytest.raises(ModelNotFound, match=r"\(far: the Hub could not be reached\)"):
        await resolve_model(session, "nothing like it")


async def test_a_revision_that_cannot_be_asked_for_is_said_and_the_rest_answered():
    session, _, _ = session_of(far=Mute)
    resolved = await resolve_model(session, f"{ID}@abc123")
    assert resolved.provider == "near"
    assert "abc123" in " ".join(resolved.notes)


async def test_a_gate_is_told_as_a_gate():
    gated = type(
        "Gate", (Mute,), {"error": ModelGated("gated"), "asked": [], "__module__": __name__}
    )
    session, _, _ = session_of(far=gated)
    with pytest.raises(ModelGated):
        await resolve_model(session, "nobody/nothing")
