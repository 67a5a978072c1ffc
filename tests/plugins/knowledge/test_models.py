"""The catalogue provider: what a name finds, and what it gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights_plugins.knowledge._model_names import ModelNames, canonical, normalise
from whichweights_plugins.knowledge._tables import load_rows
from whichweights_plugins.knowledge.models import CatalogueProvider
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.providers import NoSettings, ProviderContext
from whichweights_schemas.requests import CandidateFilter, FindModel, ModelQuestion

T = TypeVar("T")


async def run_here(function: Callable[..., T], /, *args: Any) -> T:
    return function(*args)


def provider() -> CatalogueProvider:
    context = ProviderContext(name="catalogue", settings=NoSettings(), run_blocking=run_here)
    return CatalogueProvider(context)


async def find(query: str, limit: int = 12) -> list[ModelRef]:
    return list(await provider().find(FindModel(query=query, limit=limit)))


async def spec(identifier: str, revision: str | None = None) -> ModelSpec:
    ref = ModelRef(id=identifier, provider="catalogue", revision=revision)
    found = await provider().spec(ref)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("query", "identifier", "match"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", "id"),
        ("META-LLAMA/llama-3.1-8b", "meta-llama/Llama-3.1-8B", "id"),
        ("llama 3.1 8b", "meta-llama/Llama-3.1-8B-Instruct", "alias"),
        ("Llama3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "alias"),
        ("llama 3.1 8b base", "meta-llama/Llama-3.1-8B", "alias"),
        ("qwen3 32b", "Qwen/Qwen3-32B", "alias"),
        ("Qwen 3 32 B", "Qwen/Qwen3-32B", "alias"),
        ("qwen3:32b", "Qwen/Qwen3-32B", "alias"),
        ("gpt-oss-120b", "openai/gpt-oss-120b", "alias"),
        ("deepseek v3", "deepseek-ai/DeepSeek-V3", "alias"),
        ("gemma 3 27b", "google/gemma-3-27b-it", "alias"),
    ],
)
async def test_a_name_finds_the_one_model_it_means(query: str, identifier: str, match: str) -> None:
    assert [(ref.id, ref.match) for ref in await find(query)] == [(identifier, match)]


async def test_a_short_name_means_the_instruct_model_and_says_so() -> None:
    [ref] = await find("llama 3.1 8b")
    assert ref.kind == "instruct"
    assert ref.note is not None
    assert "meta-llama/Llama-3.1-8B" in ref.note
    [named] = await find("llama 3.1 8b instruct")
    assert named.note is None


async def test_a_name_of_several_models_gives_them_all_and_none_as_certain() -> None:
    found = await find("qwen 32b")
    assert {"Qwen/Qwen3-32B", "Qwen/Qwen2.5-32B-Instruct", "Qwen/QwQ-32B"} <= {r.id for r in found}
    assert {ref.match for ref in found} == {"partial"}


@pytest.mark.parametrize(
    ("query", "identifier"),
    [
        ("unsloth/Llama-3.1-8B-Instruct-GGUF", "meta-llama/Llama-3.1-8B-Instruct"),
        ("bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "meta-llama/Llama-3.1-8B-Instruct"),
        ("Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B"),
        ("Qwen3-32B-Q4_K_M.gguf", "Qwen/Qwen3-32B"),
    ],
)
async def test_a_quantized_copy_leads_to_its_original_with_a_note(
    query: str, identifier: str
) -> None:
    [ref] = await find(query)
    assert (ref.id, ref.match) == (identifier, "partial")
    assert ref.note is not None
    assert "quantized copy" in ref.note


async def test_a_revision_is_kept_and_the_answer_says_it_was_not_read() -> None:
    [ref] = await find("Qwen/Qwen3-32B@abc123")
    assert (ref.id, ref.revision) == ("Qwen/Qwen3-32B", "abc123")
    found = await spec(ref.id, ref.revision)
    assert found.revision is None
    assert any("abc123" in note for note in found.notes)


@pytest.mark.parametrize("query", ["", "   ", "-/_", "7B", "8x7b", "70 b", "@", "@main"])
async def test_nothing_and_bare_sizes_name_no_model(query: str) -> None:
    assert await find(query) == []


async def test_a_misspelt_name_only_suggests() -> None:
    found = await find("lama 3.1 8b")
    assert found
    assert {ref.match for ref in found} == {"similar"}
    assert "meta-llama/Llama-3.1-8B-Instruct" in {ref.id for ref in found}


async def test_an_endless_name_costs_nothing() -> None:
    catalogue = provider()
    await catalogue.warm()
    started = time.perf_counter()
    for text in ("x" * 1_000_000, "llama " * 200_000, "@" * 1_000_000):
        assert list(await catalogue.find(FindModel(query=text))) == []
    assert time.perf_counter() - started < 5


@given(st.text(max_size=300))
def test_no_text_breaks_the_search(query: str) -> None:
    hits = NAMES.find(query, 12)
    assert len(hits) <= 12
    assert len({hit.id for hit in hits}) == len(hits)


@given(st.sampled_from([row["id"] for row in load_rows("models")]), st.randoms())
def test_every_model_is_found_by_its_id_however_it_is_written(identifier: str, random: Any) -> None:
    written = "".join(random.choice((letter.lower(), letter.upper())) for letter in identifier)
    assert [(hit.id, hit.match) for hit in NAMES.find(written, 3)] == [(identifier, "id")]


@given(st.text(alphabet="abQ3. -_/", max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert canonical(canonical(text)) == canonical(text)


NAMES = ModelNames(load_rows("models"))


async def test_every_alias_finds_its_own_model() -> None:
    wrong = {
        alias: [hit.id for hit in NAMES.find(alias, 2)]
        for row in load_rows("models")
        for alias in row.get("aliases", ())
        if [hit.id for hit in NAMES.find(alias, 2)] != [row["id"]]
    }
    assert wrong == {}


async def test_a_model_the_catalogue_does_not_have_is_none() -> None:
    ref = ModelRef(id="nobody/nothing-7b", provider="hub")
    assert await provider().spec(ref) is None
    assert list(await provider().relatives(ModelQuestion(ref=ref))) == []


async def test_candidates_come_in_batches_without_encoders_or_base_models() -> None:
    batches = [batch async for batch in provider().candidates(CandidateFilter())]
    models = [model for batch in batches for model in batch]
    assert max(len(batch) for batch in batches) == 64
    assert {model.kind for model in models} == {"instruct", None}
    assert len(models) > 250
    assert len({model.id for model in models}) == len(models)


async def test_candidates_respect_size_kinds_and_ids() -> None:
    async def ids(request: CandidateFilter) -> set[str]:
        return {m.id async for batch in provider().candidates(request) for m in batch}

    small = await ids(CandidateFilter(max_parameters=8_030_261_248))
    assert "meta-llama/Llama-3.1-8B-Instruct" in small
    assert "meta-llama/Llama-3.1-70B-Instruct" not in small
    encoders = await ids(CandidateFilter(kinds=("encoder",)))
    assert "google-bert/bert-base-uncased" in encoders
    assert "Qwen/Qwen3-32B" not in encoders
    assert await ids(CandidateFilter(ids=("qwen/qwen3-32b", "no/such"))) == {"Qwen/Qwen3-32B"}


async def test_relatives_name_the_base_the_tuned_and_the_siblings() -> None:
    async def relations(identifier: str) -> dict[str, str]:
        ref = ModelRef(id=identifier, provider="catalogue")
        return {r.id: r.relation for r in await provider().relatives(ModelQuestion(ref=ref))}

    of_base = await relations("meta-llama/Llama-3.1-8B")
    assert of_base["meta-llama/Llama-3.1-8B-Instruct"] == "instruct"
    assert of_base["deepseek-ai/DeepSeek-R1-Distill-Llama-8B"] == "distilled"
    of_instruct = await relations("meta-llama/Llama-3.1-8B-Instruct")
    assert of_instruct["meta-llama/Llama-3.1-8B"] == "base"
    assert of_instruct["meta-llama/Llama-3.1-70B-Instruct"] == "same_family"


async def test_the_status_counts_the_rows_and_dates_them() -> None:
    status = await provider().status()
    assert int(status["models"]) == len(load_rows("models"))
    assert status["date"] >= "2026-11-20"


async def test_all_models_validate_within_the_time_of_one_blink() -> None:
    rows = load_rows("models")
    started = time.perf_counter()
    for row in rows:
        ModelSpec.model_validate(row)
    assert time.perf_counter() - started < 5


async def test_a_repository_nobody_has_is_never_taken_for_a_look_alike() -> None:
    assert not [ref for ref in await find("Qwen/Qwen-7B-Chat") if ref.match != "similar"]


async def test_the_name_of_a_quantized_file_leads_to_the_original() -> None:
    (ref,) = await find("Meta-Llama-3-8B-Instruct.Q4_0.gguf")
    assert (ref.id, ref.match) == ("meta-llama/Meta-Llama-3-8B-Instruct", "partial")
    assert ref.note


async def test_a_copy_under_another_owner_is_said_to_be_one() -> None:
    (ref,) = await find("NousResearch/Meta-Llama-3-8B-Instruct")
    assert ref.match == "partial"
    assert ref.note == "taken as a copy of meta-llama/Meta-Llama-3-8B-Instruct, by its name"
