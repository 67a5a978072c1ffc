"""What is read of a repository: shape, counts, bytes, revision; and at what price in requests."""

from pathlib import Path

import pytest
from invented import Invented, dense, hybrid, latent, mixture, packed, sharded, vision
from local_hub import GOOD_TOKEN, LocalHub, MakeProvider, Repo, counted, text_file

from whichweights.planning.parameters import count_parameters
from whichweights_plugins.hub.provider import HubProvider
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.requests import FindModel

ID = "inventors/Thing-1B-Instruct"


async def spec_of(provider: HubProvider, query: str) -> ModelSpec:
    (ref,) = await provider.find(FindModel(query=query))
    assert ref.match == "id"
    spec = await provider.spec(ref)
    assert spec is not None
    assert spec.id == ref.id
    return spec


def reasons(spec: ModelSpec) -> dict[str, str]:
    return {entry.field: entry.reason for entry in spec.unknown}


@pytest.mark.parametrize(
    ("model", "mixers"),
    [
        (dense(), {"full"}),
        (mixture(), {"full"}),
        (latent(), {"mla"}),
        (hybrid(), {"linear", "full"}),
        (vision(), {"sliding", "full"}),
    ],
    ids=["dense", "moe", "mla", "hybrid", "vision"],
)
async def test_the_shape_and_the_counts_are_those_of_the_repository(
    hub: LocalHub, provider: HubProvider, model: Invented, mixers: set[str]
):
    repo = hub.add(model.repo(ID))
    spec = await spec_of(provider, ID)
    assert {block.attention.kind for block in spec.blocks} == mixers
    assert spec.parameters.total == model.parameters
    assert spec.parameters.total_basis == "exact"
    assert spec.stored_bytes == repo.files["model.safetensors"].size
    assert spec.revision == repo.sha
    assert spec.native is not None
    assert spec.native.format == "BF16"


@pytest.mark.parametrize("model", [dense(), mixture(), latent(), hybrid()])
async def test_the_layers_read_from_the_config_add_up_to_the_tensors_in_the_files(
    hub: LocalHub, provider: HubProvider, model: Invented
):
    hub.add(model.repo(ID))
    parts = count_parameters(await spec_of(provider, ID))
    assert parts is not None
    assert parts.total_language == model.parameters


async def test_a_tower_is_seen_and_its_weights_are_in_the_total(
    hub: LocalHub, provider: HubProvider
):
    hub.add(vision().repo(ID))
    spec = await spec_of(provider, ID)
    assert spec.vision is not None
    assert spec.vision.layers == 2
    assert "image" in spec.input_modalities


async def test_packed_codes_are_counted_as_weights_and_scales_are_not(
    hub: LocalHub, provider: HubProvider
):
    original = dense(h=512, width=1024)
    copy = packed(original)
    hub.add(copy.repo(ID, tags=["base_model:quantized:inventors/Thing-1B"]))
    spec = await spec_of(provider, ID)
    assert spec.parameters.total == pytest.approx(original.parameters, rel=1e-4)
    assert spec.parameters.total_basis == "computed"
    assert spec.native is not None
    assert spec.native.format.startswith("AWQ")
    assert spec.base_model == "inventors/Thing-1B"
    assert spec.stored_bytes is not None
    assert spec.stored_bytes < original.parameters


async def test_a_repository_of_163_shards_takes_two_requests_and_little_traffic(
    hub: LocalHub, provider: HubProvider
):
    model = dense(layers=163, h=1024, width=4096)
    repo = hub.add(model.repo(ID, shards=163))
    spec = await spec_of(provider, ID)
    assert spec.parameters.total == model.parameters
    shards = [file.size for path, file in repo.files.items() if path.endswith(".safetensors")]
    assert len(shards) == 163
    assert spec.stored_bytes == sum(shards)
    assert [entry.path.split("/")[-1] for entry in hub.log] == [ID.split("/")[1], "config.json"]
    assert hub.sent_bytes < 100_000


async def test_what_was_read_is_not_read_again(hub: LocalHub, provider: HubProvider):
    hub.add(dense().repo(ID))
    first = await spec_of(provider, ID)
    before = len(hub.log)
    assert await spec_of(provider, ID) == first
    assert len(hub.log) == before


async def test_the_request_says_who_asks_and_nothing_of_the_machine(
    hub: LocalHub, provider: HubProvider
):
    hub.add(dense().repo(ID))
    await spec_of(provider, ID)
    assert {entry.headers["user-agent"] for entry in hub.log} == {"whichweights"}
    assert not hub.requests("agent-harnesses")


async def test_the_card_and_the_gate_are_told(hub: LocalHub, provider: HubProvider):
    repo = dense().repo(ID, tags=["conversational", "license:apache-2.0"])
    repo.extra["cardData"] = {"license": "apache-2.0", "language": ["de", "en"]}
    hub.add(repo)
    spec = await spec_of(provider, ID)
    assert (spec.kind, spec.license, spec.gated) == ("instruct", "apache-2.0", False)
    assert spec.languages == ("de", "en")
    assert spec.release_date == "2026-03-04"


async def test_an_unknown_architecture_is_weighed_and_not_guessed(
    hub: LocalHub, provider: HubProvider
):
    strange = Invented({**dense().config, "model_type": "wavelet_soup"}, dense().tensors)
    hub.add(strange.repo(ID))
    spec = await spec_of(provider, ID)
    assert (spec.blocks, spec.layout) == ((), ())
    assert spec.parameters.total == strange.parameters
    assert spec.stored_bytes is not None
    assert "wavelet_soup" in reasons(spec)["blocks"]
    assert spec.architecture == "wavelet_soup"
    assert spec.max_context_tokens == 8192


async def test_a_config_full_of_nonsense_leaves_the_sizes_standing(
    hub: LocalHub, provider: HubProvider
):
    broken = Invented({**dense().config, "num_hidden_layers": "many"}, dense().tensors)
    hub.add(broken.repo(ID))
    spec = await spec_of(provider, ID)
    assert spec.layout == ()
    assert "num_hidden_layers" in reasons(spec)["blocks"]
    assert spec.parameters.total == broken.parameters


async def test_a_gated_repository_tells_its_size_and_says_what_its_shape_would_need(
    hub: LocalHub, provider: HubProvider
):
    model = dense()
    hub.add(model.repo(ID, gated=True))
    spec = await spec_of(provider, ID)
    assert spec.gated is True
    assert spec.parameters.total == model.parameters
    assert spec.stored_bytes is not None
    assert spec.native is not None
    assert spec.native.format == "BF16"
    assert spec.layout == ()
    assert "gated" in reasons(spec)["blocks"]
    assert "HF_TOKEN" in reasons(spec)["blocks"]


async def test_with_a_token_that_may_read_it_a_gated_repository_tells_its_shape(
    hub: LocalHub, make: MakeProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OUR_TOKEN", GOOD_TOKEN)
    hub.add(dense().repo(ID, gated=True))
    spec = await spec_of(make(token_env="OUR_TOKEN"), ID)
    assert spec.layers == 4


async def test_a_token_that_may_not_read_it_is_said_to_be_refused(
    hub: LocalHub, make: MakeProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OUR_TOKEN", "hf_somebody")
    hub.add(dense().repo(ID, gated=True))
    spec = await spec_of(make(token_env="OUR_TOKEN"), ID)
    assert "gated" in reasons(spec)["blocks"]
    assert [entry.status for entry in hub.log] == [200, 403]


async def test_a_token_never_reaches_the_store_the_files_lie_in(
    hub: LocalHub, make: MakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("OUR_TOKEN", GOOD_TOKEN)
    repo = hub.add(dense().repo(ID))
    repo.files["config.json"] = type(repo.files["config.json"])(
        repo.files["config.json"].head, repo.files["config.json"].size, lfs=True
    )
    await spec_of(make(token_env="OUR_TOKEN"), ID)
    (stored,) = hub.requests("/storage/")
    assert "authorization" not in stored.headers
    assert GOOD_TOKEN.encode() not in (tmp_path / "cache.sqlite").read_bytes()


async def test_the_asked_revision_is_read_and_pinned(hub: LocalHub, provider: HubProvider):
    repo = hub.add(dense().repo(ID))
    (ref,) = await provider.find(FindModel(query=ID, revision=repo.sha))
    assert ref.revision == repo.sha
    spec = await provider.spec(ref)
    assert spec is not None
    assert spec.revision == repo.sha
    assert hub.requests("/revision/", repo.sha)
    assert await provider.find(FindModel(query=ID, revision="no-such-branch")) == ()


async def test_a_renamed_repository_is_followed_and_the_new_name_is_told(
    hub: LocalHub, provider: HubProvider
):
    hub.add(dense().repo(ID))
    hub.moved["old-owner/Thing"] = ID
    (ref,) = await provider.find(FindModel(query="old-owner/Thing"))
    assert ref.id == ID
    assert ref.note is not None
    assert "old-owner/Thing" in ref.note


async def test_weights_stored_twice_are_counted_once(hub: LocalHub, provider: HubProvider):
    model = dense()
    repo = model.repo(ID)
    repo.files["consolidated.safetensors"] = repo.files["model.safetensors"]
    repo.files["pytorch_model.bin"] = repo.files["model.safetensors"]
    hub.add(repo)
    spec = await spec_of(provider, ID)
    assert spec.stored_bytes == repo.files["model.safetensors"].size


async def test_without_a_config_the_size_is_told_with_one_request(
    hub: LocalHub, provider: HubProvider
):
    model = dense()
    repo = Repo(
        ID, {**sharded(model.tensors, 1), "README.md": text_file("hello")}, counted(model.tensors)
    )
    hub.add(repo)
    spec = await spec_of(provider, ID)
    assert spec.parameters.total == model.parameters
    assert "config.json" in reasons(spec)["blocks"]
    assert len(hub.log) == 1


async def test_a_repository_without_counts_says_that_the_number_is_unknown(
    hub: LocalHub, provider: HubProvider
):
    repo = dense().repo(ID)
    repo.counts = {}
    hub.add(repo)
    spec = await spec_of(provider, ID)
    assert spec.parameters.total is None
    assert "parameters.total" in reasons(spec)
    assert spec.layers == 4
