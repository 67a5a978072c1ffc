"""Slim schemas in tools/list, full ones as published."""

from typing import Any

import pytest

from whichweights.tool_schemas import DIALECT, full_schemas, input_schema, output_schema
from whichweights.tools import tool_specs
from whichweights_schemas.tools.estimate_vram import VramOptions

TOOLS = tuple(tool_specs())
each_tool = pytest.mark.parametrize("name", TOOLS)


def inputs(name: str) -> dict[str, Any]:
    return input_schema(tool_specs()[name])


@each_tool
def test_the_slim_schema_names_every_argument_and_refuses_others(name: str):
    schema = inputs(name)
    assert set(schema["properties"]) == set(tool_specs()[name].arguments.model_fields)
    assert schema["additionalProperties"] is False
    assert "$defs" not in schema
    assert "$ref" not in str(schema)


@each_tool
def test_only_what_has_no_default_is_required(name: str):
    fields = tool_specs()[name].arguments.model_fields
    wanted = [field for field, info in fields.items() if info.is_required()]
    assert inputs(name).get("required", []) == wanted


@each_tool
def test_the_slim_output_names_every_field_of_the_result(name: str):
    spec = tool_specs()[name]
    schema = output_schema(spec)
    assert set(schema["properties"]) == set(spec.result.model_fields)
    assert "$ref" not in str(schema)


@each_tool
def test_full_schemas_say_their_dialect_and_forbid_what_they_do_not_name(name: str):
    full = full_schemas(tool_specs()[name])
    for side in ("input", "output"):
        assert full[side]["$schema"] == DIALECT
        assert full[side]["additionalProperties"] is False
        assert full[side]["properties"]


def test_choices_are_enums_also_in_the_slim_schema():
    engine = inputs("estimate_vram")["properties"]["engine"]
    assert engine == {
        "type": "string",
        "enum": ["auto", "llama.cpp", "ollama", "vllm", "sglang", "transformers", "mlx"],
        "default": "auto",
    }


def test_options_are_names_without_types():
    options = inputs("estimate_vram")["properties"]["options"]
    assert options["type"] == "object"
    assert set(options["description"].split()) == set(VramOptions.model_fields)


def test_a_field_that_may_be_null_says_so():
    result = output_schema(tool_specs()["gpu_status"])["properties"]
    assert result["system_memory"] == {"anyOf": [{"type": "object"}, {"type": "null"}]}
    assert result["devices"] == {"type": "array", "items": {"type": "object"}}
