"""Catalogue and Hub together, as a user meets them: who is asked, and who told what."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from invented import dense
from local_hub import Fault, LocalHub, Repo

from whichweights.registry import BUILT_INS_ONLY, ProviderSession, Registry, RegistrySettings
from whichweights.resolve.models import resolve_model
from whichweights_schemas.errors import ModelNotFound, Offline, ProviderTimeout

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_WEIGHTS = 8_030_261_248


@pytest.fixture
async def registry(hub: LocalHub, tmp_path: Path) -> AsyncIterator[Registry]:
    section: dict[str, Any] = {
        "endpoint": hub.endpoint, "cache_file": str(tmp_path / "c.sqlite"), "timeout": 1,
    }  # fmt: skip
    made = Registry(RegistrySettings(sections={"hub": section}, only=BUILT_INS_ONLY))
    yield made
    await made.aclose()


@pytest.fixture
def session(registry: Registry) -> ProviderSession:
    return registry.session()


@pytest.mark.parametrize("query", [LLAMA, "llama 3.1 8b", "qwen3 32b"])
async def test_a_name_of_the_catalogue_causes_no_request(
    hub: LocalHub, session: ProviderSession, query: str
):
    assert (await resolve_model(session, query)).provider == "catalogue"
    assert hub.log == []


async def test_a_hosted_model_is_not_looked_for_on_the_hub(hub: LocalHub, session: ProviderSession):
    hub.add(dense().repo("somebody/gpt-4o"))
    with pytest.raises(Exception, match="hosted model"):
        await resolve_model(session, "gpt-4o")
    assert hub.log == []


async def test_an_unknown_id_is_asked_of_the_hub(hub: LocalHub, session: ProviderSession):
    hub.add(dense().repo("inventors/Thing-1B"))
    resolved = await resolve_model(session, "inventors/Thing-1B")
    assert resolved.provider == "hub"
    assert resolved.spec.layers == 4
    assert len(hub.log) == 2


async def test_a_gated_copy_has_its_size_from_the_hub_and_its_shape_from_the_catalogue(
    hub: LocalHub, session: ProviderSession
):
    repo = dense().repo("tuners/Llama-Poet", gated=True, tags=[f"base_model:finetune:{LLAMA}"])
    repo.counts = {"BF16": LLAMA_WEIGHTS}
    hub.add(repo)
    spec = (await resolve_model(session, "tuners/Llama-Poet")).spec
    assert spec.gated is True
    assert spec.stored_bytes == repo.files["model.safetensors"].size
    assert spec.layers == 32
    assert any("catalogue" in note and "the shape" in note and LLAMA in note for note in spec.notes)


async def test_a_gated_model_of_the_catalogue_at_a_revision_is_told_by_both(
    hub: LocalHub, session: ProviderSession
):
    repo = dense().repo(LLAMA, gated=True)
    repo.counts = {"BF16": LLAMA_WEIGHTS}
    hub.add(repo)
    resolved = await resolve_model(session, f"llama 3.1 8b@{repo.sha}")
    assert resolved.provider == "hub"
    assert resolved.spec.revision == repo.sha
    assert resolved.spec.layers == 32


async def test_a_collection_of_gguf_files_has_the_shape_of_what_it_was_made_from(
    hub: LocalHub, session: ProviderSession
):
    hub.add(
        Repo(
            "packers/Llama-3.1-8B-Instruct-GGUF",
            {},
            tags=[f"base_model:quantized:{LLAMA}", "gguf"],
            extra={"gguf": {"total": LLAMA_WEIGHTS, "architecture": "llama"}},
        )
    )
    resolved = await resolve_model(session, "packers/Llama-3.1-8B-Instruct-GGUF")
    assert resolved.provider == "hub"
    assert resolved.spec.layers == 32


async def test_a_copy_the_hub_does_not_tell_of_is_answered_by_its_original_and_says_why(
    hub: LocalHub, session: ProviderSession
):
    hub.faults.append(Fault("/api/models", 500))
    resolved = await resolve_model(session, "packers/Llama-3.1-8B-Instruct-GGUF")
    assert resolved.provider == "catalogue"
    assert "500" in " ".join(resolved.notes)


async def test_a_miss_says_that_the_hub_was_asked_or_why_not(hub: LocalHub, registry: Registry):
    with pytest.raises(ModelNotFound, match=r"asked: catalogue, hub$"):
        await resolve_model(registry.session(), "nobody/nothing")
    hub.faults.append(Fault("/api/models", kind="hang"))
    session = registry.session()
    with pytest.raises(ProviderTimeout, match=r"hub: .*did not answer within 1 s"):
        await resolve_model(session, "nobody/nothing-else")


async def test_a_hub_out_of_reach_is_not_waited_for_twice(hub: LocalHub, registry: Registry):
    hub.faults.append(Fault("/api/models", kind="hang"))
    for name, error in (("one", ProviderTimeout), ("two", Offline)):
        with pytest.raises(error):
            await resolve_model(registry.session(), f"nobody/{name}")
    assert len(hub.log) <= 1  # the hanging one is logged when it ends


async def test_a_name_unknown_here_is_searched_on_the_hub_and_said_to_be_a_reading(
    hub: LocalHub, session: ProviderSession
):
    hub.add(dense().repo("inventors/Zorblax-1B-Instruct"))
    resolved = await resolve_model(session, "zorblax 1b instruct")
    assert resolved.spec.id == "inventors/Zorblax-1B-Instruct"
    assert "understood as" in " ".join(resolved.notes)
