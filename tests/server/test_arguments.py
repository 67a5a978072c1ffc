"""What a caller may write, what it becomes, and in which sentence everything else is refused."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.arguments import parse_arguments
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.tools.check_language_coverage import CheckLanguageCoverageArguments
from whichweights_schemas.tools.count_tokens import CountTokensArguments
from whichweights_schemas.tools.describe_model import DescribeModelArguments
from whichweights_schemas.tools.estimate_vram import EstimateVramArguments

LONGEST_LINE = 600
# What must never reach a caller: pydantic's own words, a link, a stack.
LEAKS = ("pydantic", "http", "Traceback", "input_value", "type=", "\\x", "PydanticCustomError")


def vram(**arguments: Any) -> EstimateVramArguments:
    return parse_arguments(EstimateVramArguments, {"model": "m", **arguments})


def refusal(model: Any, arguments: dict[str, Any]) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        parse_arguments(model, arguments)
    error = caught.value
    assert error.code == "invalid_argument"
    assert error.field
    assert error.hint
    said = f"{error.message} {error.hint} {error.field} {error.suggestions}"
    assert said.isprintable()
    assert len(error.message) + len(error.hint) < LONGEST_LINE
    assert not [leak for leak in LEAKS if leak in said]
    return error


def refused(**arguments: Any) -> InvalidArgument:
    return refusal(EstimateVramArguments, {"model": "m", **arguments})


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        (8192, 8192),
        (8192.0, 8192),
        ("8192", 8192),
        (" 8192 ", 8192),
        ("8,192", 8192),
        ("1_048_576", 1_048_576),
        ("32k", 32_768),
        ("32K", 32_768),
        ("32 k", 32_768),
        ("32Ki", 32_768),
        ("1m", 1_048_576),
    ],
)
def test_a_number_of_tokens_may_be_written_in_every_way_that_loses_nothing(
    written: object, tokens: int
):
    assert vram(context_tokens=written).context_tokens == tokens


@pytest.mark.parametrize(
    "written",
    [
        "1,5",
        "32,5k",
        "1.5k",
        "8192 tokens",
        "k",
        "",
        "-1",
        "8192" + "_" * 40,
        "9" * 5000,
        8192.5,
        math.nan,
        math.inf,
        -math.inf,
        True,
        [],
        {},
        [8192],
        0,
        -8192,
        10**12,
        1e300,
        10**5000,
    ],
    ids=lambda value: (
        repr(value)[:20]
        if not isinstance(value, int)
        else f"{value:.3e}"[:20]
        if abs(value) < 10**300
        else "huge"
    ),
)
def test_a_senseless_number_of_tokens_is_refused_in_one_line(written: object):
    assert refused(context_tokens=written).field == "context_tokens"


@given(st.integers(1, 100_000_000))
def test_every_allowed_number_survives_in_every_form(tokens: int):
    for written in (tokens, float(tokens), str(tokens), f"{tokens:,}", f"{tokens:_}"):
        assert vram(context_tokens=written).context_tokens == tokens


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_float_is_a_count_only_when_it_is_whole(value: float):
    if math.isfinite(value) and value.is_integer() and 1 <= value <= 100_000_000:
        assert vram(context_tokens=value).context_tokens == value
    else:
        refused(context_tokens=value)


@pytest.mark.parametrize(
    "written", ["RTX 4090", ["RTX 4090"], '["RTX 4090"]', ' [ "RTX 4090" ] ', ("RTX 4090",)]
)
def test_one_name_stands_for_a_list_of_one(written: object):
    assert vram(accelerators=written).accelerators == ("RTX 4090",)


def test_a_list_may_come_as_a_json_string():
    answer = vram(accelerators='["RTX 4090", "64GiB RAM"]')
    assert answer.accelerators == ("RTX 4090", "64GiB RAM")


def test_options_may_come_as_a_json_string():
    assert vram(options='{"tensor_parallel": "2"}').options.tensor_parallel == 2


@pytest.mark.parametrize(
    ("field", "written", "canonical"),
    [
        ("engine", "vLLM", "vllm"),
        ("engine", "llama_cpp", "llama.cpp"),
        ("engine", "Llama.cpp", "llama.cpp"),
        ("engine", "LM Studio", "llama.cpp"),
        ("engine", "SGLang", "sglang"),
        ("engine", "MLX", "mlx"),
        ("engine", " AUTO ", "auto"),
        ("kv_cache_type", "FP16", "f16"),
        ("kv_cache_type", "Q8-0", "q8_0"),
        ("kv_cache_type", "fp8_e4m3", "fp8"),
        ("workload", "full-finetune", "full_finetune"),
        ("workload", "QLoRA", "qlora"),
    ],
)
def test_a_choice_is_folded_to_its_canonical_name(field: str, written: str, canonical: str):
    assert getattr(vram(**{field: written}), field) == canonical


def test_a_switch_with_choices_is_folded_too():
    assert vram(options={"cpu_offload": "Experts"}).options.cpu_offload == "experts"


def test_sections_of_a_model_are_folded_too():
    parsed = parse_arguments(DescribeModelArguments, {"model": "m", "fields": ["Cache", "LICENCE"]})
    assert parsed.fields == ("cache", "license")


def test_model_stands_for_models_and_models_for_model():
    assert parse_arguments(CountTokensArguments, {"model": "gpt-4o", "text": "x"}).models == (
        "gpt-4o",
    )
    assert parse_arguments(EstimateVramArguments, {"models": ["a"]}).model == "a"
    assert parse_arguments(EstimateVramArguments, {"models": '["a"]'}).model == "a"
    assert parse_arguments(EstimateVramArguments, {"model": ["a"]}).model == "a"


def test_both_model_and_models_are_one_too_many():
    error = refusal(EstimateVramArguments, {"model": "a", "models": "b"})
    assert error.field == "models"
    assert error.suggestions == ("model",)


def test_a_tool_for_one_model_says_so_when_given_several():
    error = refusal(EstimateVramArguments, {"models": ["a", "b"]})
    assert error.message == "model takes one model, not 2"


def test_a_name_in_brackets_is_a_name():
    assert parse_arguments(EstimateVramArguments, {"model": "[a] b]"}).model == "[a] b]"
    assert parse_arguments(EstimateVramArguments, {"model": "[a]"}).model == "[a]"


def test_null_means_not_given():
    parsed = vram(accelerators=None, engine=None, context_tokens=None, options=None)
    assert parsed == vram()
    error = refusal(EstimateVramArguments, {"model": None})
    assert error.message == "model is required"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("contxt_tokens", "context_tokens"),
        ("context", "context_tokens"),
        ("quantisation", "quantization"),
        ("Engine", "engine"),
        ("accelerator", "accelerators"),
    ],
)
def test_an_unknown_argument_names_the_nearest_one(name: str, nearest: str):
    error = refused(**{name: 1})
    assert error.message == f"unknown argument {name}"
    assert nearest in error.suggestions
    assert error.field == name


def test_an_unknown_switch_names_the_nearest_one():
    error = refused(options={"tensor_paralel": 2})
    assert error.field == "options.tensor_paralel"
    assert error.suggestions[0] == "tensor_parallel"


def test_an_unknown_argument_far_from_all_lists_them():
    error = refused(zzz=1)
    assert "quantization" in error.hint
    assert error.suggestions == ()


def test_an_unknown_member_of_a_message_lists_the_members_of_a_message():
    error = refusal(
        CountTokensArguments,
        {"models": "m", "messages": [{"role": "user", "content": "x", "foo": 1}]},
    )
    assert error.field == "messages.0.foo"
    assert error.hint.startswith("known: role, content, name")


def test_an_unknown_argument_is_named_before_any_other_mistake():
    assert refused(context_tokens=0, zzz=1).field == "zzz"


def test_a_wrong_choice_lists_the_choices_and_the_nearest():
    error = refused(engine="vlm")
    assert error.message == (
        "engine must be one of auto, llama.cpp, ollama, vllm, sglang, transformers, mlx, not “vlm”"
    )
    assert error.suggestions == ("vllm",)
    assert refused(engine="zzz").suggestions[0] == "auto"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"accelerators": []}, "accelerators must not be empty"),
        ({"accelerators": [""]}, "accelerators.0 must not be empty"),
        ({"accelerators": "[1"}, None),
        ({"accelerators": "[1,]"}, "accelerators looks like a JSON list and is none"),
        ({"accelerators": [1]}, "accelerators.0 expects text"),
        ({"accelerators": {"a": 1}}, "accelerators.0 expects text"),
        ({"accelerators": ["x"] * 17}, "accelerators takes at most 16 entries"),
        ({"model": 7}, "model expects text"),
        ({"model": "  "}, "model must not be empty"),
        ({"model": "a\x00b"}, "model holds control characters or lone surrogates"),
        ({"model": "a\x85b"}, "model holds control characters or lone surrogates"),
        ({"model": "a\ud800b"}, "model holds control characters or lone surrogates"),
        ({"model": "x" * 1_000_000}, "model is longer than 300 characters"),
        ({"options": []}, "options expects an object"),
        ({"options": "{"}, "options looks like a JSON object and is none"),
        ({"options": {"flash_attention": "perhaps"}}, "options.flash_attention expects true"),
        ({"options": {"gpu_memory_utilization": True}}, "options.gpu_memory_utilization expects a"),
        ({"options": {"gpu_memory_utilization": 1.5}}, "options.gpu_memory_utilization must be at"),
        ({"options": {"gpu_memory_utilization": "nan"}}, "options.gpu_memory_utilization must be"),
        ({"options": {"gpu_layers": True}}, "options.gpu_layers expects a whole number, not a"),
        ({"options": {"engine_version": "x" * 1_000_000}}, "options.engine_version is longer than"),
        ({"options": {"engine_version": 5}}, "options.engine_version expects text"),
        ({"concurrent_sequences": 10**12}, "concurrent_sequences must be at most 100000"),
        ({"engine": ["vllm"]}, "engine must be one of"),
    ],
)
def test_absurd_values_are_refused_in_one_clear_line(
    arguments: dict[str, Any], message: str | None
):
    if message is None:
        assert vram(**arguments).accelerators == ("[1",)
    else:
        assert refused(**arguments).message.startswith(message)


def test_what_is_missing_is_named_with_what_it_should_be():
    error = refusal(CheckLanguageCoverageArguments, {"model": "m"})
    assert error.message == "languages is required"
    assert "BCP-47" in error.hint


def test_deeply_nested_json_is_refused_not_crashed_on():
    assert refused(accelerators="[" * 100_000 + "]" * 100_000).field == "accelerators"
    assert refused(options='{"a":' * 100_000).field == "options"


def test_a_name_that_no_terminal_should_see_is_not_echoed():
    error = refused(**{"bad\x1b[31m\ud800name\u202e": 1})
    assert error.message.isprintable()
    json.dumps(error.detail(), ensure_ascii=False).encode("utf-8")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["live", "32k", "auto", "[]", "{}", "\ud800", "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
names = st.sampled_from(
    [*EstimateVramArguments.model_fields, "models", "optoins", "", "\ud800", "x" * 500]
)


@given(st.dictionaries(names, json_values, max_size=6))
def test_whatever_is_written_is_either_understood_or_refused_in_one_line(arguments: dict[str, Any]):
    try:
        parsed = parse_arguments(EstimateVramArguments, arguments)
    except InvalidArgument:
        refusal(EstimateVramArguments, arguments)
    else:
        assert parse_arguments(EstimateVramArguments, parsed.model_dump()) == parsed
