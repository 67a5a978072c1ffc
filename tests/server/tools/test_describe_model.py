"""describe_model: what the catalogue knows, what follows from it, and what nobody knows."""

from collections.abc import Sequence

import pytest

from whichweights.registry import Registry
from whichweights.testing import FakeModels
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights_schemas.errors import AmbiguousModel, InvalidArgument, ModelNotFound, Offline
from whichweights_schemas.models import ModelFile
from whichweights_schemas.requests import ModelQuestion
from whichweights_schemas.tools.describe_model import DescribeModelResult

SECTIONS = (
    "architecture",
    "parameters",
    "cache",
    "context",
    "license",
    "skills",
    "relatives",
)


async def test_a_dense_model_is_described_from_its_architecture(tools: Toolbox):
    answer = await tools.describe_model(model="meta-llama/Llama-3.1-8B-Instruct")
    shape, counts, cache = answer.architecture, answer.parameters, answer.cache
    assert shape is not None
    assert counts is not None
    assert cache is not None
    assert (shape.layers, shape.hidden_size, shape.kv_heads) == (32, 4096, (8,))
    assert shape.attention == {"full": 32}
    assert (shape.experts, shape.mtp_layers, shape.vision) == (0, 0, False)
    assert counts.total == 8_030_261_248
    assert sum(counts.by_kind.values()) == counts.total
    assert counts.flops_per_token == 2 * (counts.active or 0)
    assert counts.native_gib == pytest.approx(8_030_261_248 * 2 / 2**30, abs=0.002)
    assert cache.bytes_per_token == 131_072
    assert cache.gib_at_8192_tokens == 1
    assert cache.gib_at_window == 16


async def test_a_mixture_tells_total_from_active(tools: Toolbox):
    answer = await tools.describe_model(model="Qwen/Qwen3-30B-A3B")
    assert answer.parameters is not None
    assert answer.architecture is not None
    assert answer.parameters.total is not None
    assert answer.parameters.active is not None
    assert 30e9 < answer.parameters.total < 31e9
    assert 3e9 < answer.parameters.active < 3.7e9
    assert (answer.architecture.experts, answer.architecture.experts_per_token) == (128, 8)


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ("deepseek-ai/DeepSeek-V3", {"mla"}),
        ("google/gemma-3-27b-it", {"full", "sliding"}),
        ("google-bert/bert-base-uncased", {"encoder"}),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", {"full", "linear"}),
        ("ibm-granite/granite-4.0-h-tiny", {"full", "state_space"}),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", {"full", "chunked"}),
    ],
)
async def test_every_kind_of_attention_is_counted_by_layers(
    tools: Toolbox, model: str, kinds: set[str]
):
    shape = (await tools.describe_model(model=model)).architecture
    assert shape is not None
    assert set(shape.attention) == kinds
    assert sum(shape.attention.values()) == shape.layers


async def test_an_encoder_caches_nothing(tools: Toolbox):
    cache = (await tools.describe_model(model="google-bert/bert-base-uncased")).cache
    assert cache is not None
    assert cache.bytes_per_token == 0
    assert cache.gib_at_window == 0


async def test_a_short_window_is_not_described_beyond_it(tools: Toolbox):
    answer = await tools.describe_model(model="google-bert/bert-base-uncased")
    assert answer.context is not None
    assert answer.context.max_tokens == 512


async def test_only_the_sections_asked_for_are_answered(tools: Toolbox):
    answer = await tools.describe_model(model="qwen3 32b", fields=["Cache", "context"])
    assert answer.cache is not None
    assert answer.context is not None
    for section in set(SECTIONS) - {"cache", "context"}:
        assert getattr(answer, section) is None, section
    assert not [entry for entry in answer.unknown if entry.field.startswith(("skills", "license"))]


async def test_an_unknown_section_names_the_nearest(tools: Toolbox):
    with pytest.raises(InvalidArgument) as caught:
        await tools.describe_model(model="qwen3 32b", fields="contxt")
    assert caught.value.suggestions[0] == "context"


async def test_a_hosted_model_has_window_skills_and_dated_price(tools: Toolbox):
    answer = await tools.describe_model(model="gpt-4o")
    assert (answer.kind, answer.id) == ("api", "openai/gpt-4o")
    assert answer.context is not None
    assert answer.context.max_tokens == 128_000
    assert answer.api is not None
    assert answer.api.prices is not None
    assert answer.api.prices.date
    assert answer.parameters is None
    assert "parameters" in {entry.field for entry in answer.unknown}
    only = await tools.describe_model(model="gpt-4o", fields="context")
    assert only.skills is None
    assert only.context == answer.context


async def test_a_bare_size_is_described_as_typical(tools: Toolbox):
    answer = await tools.describe_model(model="7B")
    assert answer.source == "generic"
    assert {entry.basis for entry in answer.evidence} == {"prior"}
    assert any("bare size" in warning for warning in answer.warnings)


async def test_a_licence_is_read_and_called_our_reading(tools: Toolbox):
    answer = await tools.describe_model(model="llama 3.1 8b", fields="license")
    assert answer.license is not None
    assert answer.license.commercial_use == "conditions"
    assert answer.license.open_source is False
    assert "no legal advice" in (answer.license.note or "")


async def test_relatives_name_base_and_siblings(tools: Toolbox):
    answer = await tools.describe_model(model="meta-llama/Llama-3.1-8B-Instruct")
    assert answer.relatives
    relations = {relative.id: relative.relation for relative in answer.relatives}
    assert relations["meta-llama/Llama-3.1-8B"] == "base"
    assert len(answer.relatives) <= 8


async def test_files_nobody_listed_are_unknown_not_empty(tools: Toolbox):
    answer = await tools.describe_model(model="qwen3 32b", fields="files")
    assert answer.files is None
    assert "files" in {entry.field for entry in answer.unknown}


@pytest.mark.parametrize(
    ("model", "error"),
    [("qwen 32b", AmbiguousModel), ("nobody knows", ModelNotFound), ("nobody/knows", Offline)],
)
async def test_a_name_that_means_no_one_model_is_refused(
    tools: Toolbox, model: str, error: type[Exception]
):
    with pytest.raises(error):
        await tools.describe_model(model=model)


async def test_every_null_of_a_section_has_its_reason(tools: Toolbox):
    for model in ("qwen3 32b", "7B", "google/gemma-3-27b-it", "mistralai/Mixtral-8x7B-v0.1"):
        answer = await tools.describe_model(model=model)
        explained = {entry.field for entry in answer.unknown}
        assert not nulls(answer) - explained, model


def nulls(answer: DescribeModelResult) -> set[str]:
    """Null facts that a reader would look for."""
    wanted = {
        "parameters": ("total", "active", "native_gib"),
        "cache": ("bytes_per_token",),
        "context": ("max_tokens",),
        "skills": ("tool_use", "reasoning"),
    }
    found: set[str] = set()
    for section, names in wanted.items():
        part = getattr(answer, section)
        found |= {f"{section}.{name}" for name in names if getattr(part, name) is None}
    return found


async def test_the_text_says_size_cache_window_and_licence(tools: Toolbox):
    answer = await tools.call("describe_model", {"model": "Qwen/Qwen3-30B-A3B"})
    lines = answer.text.splitlines()
    assert lines[0].endswith("(Qwen/Qwen3-30B-A3B)")
    assert "30.53 B parameters, 3.35 B active per token" in lines[1]
    assert lines[2].startswith("KV cache 98,304 bytes a token")
    assert "licence Apache-2.0, commercial use: yes" in lines


async def test_words_of_hosted_models_get_their_ids(tools: Toolbox):
    with pytest.raises(ModelNotFound) as caught:
        await tools.describe_model(model="claude sonnet")
    assert caught.value.suggestions
    assert all("sonnet" in name for name in caught.value.suggestions)
    again = await tools.call("describe_model", {"model": caught.value.suggestions[0]})
    assert not again.is_error


async def test_a_known_model_is_described_though_its_files_are_out_of_reach():
    class Unreachable(FakeModels):
        async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
            raise Offline("the Hub cannot be reached", hint="try again")

    class Here(Unreachable):
        async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
            return ()

    registry = Registry(entry_points=())
    registry.add("here", Here)
    registry.add("there", Unreachable)
    answer = await Toolbox(registry, tool_specs()).describe_model(
        model="fake/Fake-1B", fields=["context", "files"]
    )
    assert answer.context is not None
    assert answer.files is None
    assert any(e.field == "files" and "cannot be reached" in e.reason for e in answer.unknown)
