"""The shapes of the contract: closed, immutable, and silent where they have nothing to say."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from whichweights.tools import tool_specs
from whichweights_schemas import errors
from whichweights_schemas.evidence import Evidence, ProviderReport
from whichweights_schemas.tools._common import ToolResult

each_tool = pytest.mark.parametrize("name", tuple(tool_specs()))


def test_an_optional_member_of_evidence_is_left_out_when_it_says_nothing():
    bare = Evidence(fields=("a",), basis="exact", source="s")
    assert bare.model_dump(mode="json") == {"fields": ["a"], "basis": "exact", "source": "s"}
    full = Evidence(fields=("a",), basis="exact", source="s", date="2026", note="n")
    assert Evidence.model_validate_json(full.model_dump_json()) == full
    assert Evidence.model_validate(bare.model_dump()) == bare


def test_a_report_without_a_detail_has_none_on_the_wire():
    report = ProviderReport(name="p", kind="models", status="answered")
    assert "detail" not in report.model_dump(mode="json")


def test_shapes_are_closed_and_immutable():
    with pytest.raises(ValidationError):
        Evidence.model_validate({"fields": ["a"], "basis": "exact", "source": "s", "extra": 1})
    bare = Evidence(fields=("a",), basis="exact", source="s")
    with pytest.raises(ValidationError):
        bare.source = "t"  # pyright: ignore[reportAttributeAccessIssue]  # frozen: that is the test


@each_tool
def test_every_result_has_the_common_fields(name: str):
    assert issubclass(tool_specs()[name].result, ToolResult)
    assert {"warnings", "evidence", "unknown", "providers"} <= set(
        tool_specs()[name].result.model_fields
    )


@each_tool
def test_schemas_are_valid_and_refer_only_to_themselves(name: str):
    spec = tool_specs()[name]
    for schema in (
        spec.arguments.model_json_schema(mode="validation"),
        spec.result.model_json_schema(mode="serialization"),
    ):
        Draft202012Validator.check_schema(schema)  # pyright: ignore[reportUnknownMemberType]  # untyped library
        assert all(ref.startswith("#/$defs/") for ref in references(schema))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:  # pyright: ignore[reportUnknownVariableType]  # JSON
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():  # pyright: ignore[reportUnknownVariableType]  # JSON
            if key == "$ref":
                yield str(value)  # pyright: ignore[reportUnknownArgumentType]  # JSON
            else:
                yield from references(value)


@each_tool
def test_memory_is_in_gib_never_gb(name: str):
    fields = set(field_names(tool_specs()[name].result))
    assert not {field for field in fields if field.endswith("_gb")}


def field_names(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema(mode="serialization")
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {})


def test_every_error_has_a_code_of_its_own_and_keeps_its_members():
    classes = [
        member
        for member in vars(errors).values()
        if isinstance(member, type)
        and issubclass(member, errors.WhichweightsError)
        and member.code != "error"
    ]
    codes = [member.code for member in classes]
    assert len(set(codes)) == len(codes)
    for member in classes:
        error = member("m", hint="h", field="f", suggestions=["s"])
        assert error.detail() == {
            "code": member.code,
            "message": "m",
            "field": "f",
            "hint": "h",
            "suggestions": ["s"],
        }
        assert member("m").detail() == {"code": member.code, "message": "m"}
