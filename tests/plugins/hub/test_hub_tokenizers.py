"""Tokenizers of the Hub: fetched once, continued where they stopped, served offline after."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import tokenizers
from gguf_vocabularies import ranks, write_ranks
from local_hub import Fault, File, LocalHub, Repo, text_file
from tokenizers import models, pre_tokenizers, trainers

from whichweights.testing import construct
from whichweights_plugins.tokenizers import hub_tokenizers
from whichweights_plugins.tokenizers.hub_tokenizers import HubTokenizers
from whichweights_schemas.errors import ModelGated, NoTokenizer, ProviderTimeout
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Chat, Tokenizer

ID = "inventors/Thing-1B"
REQUEST = TokenizerRequest(name=ID)
TEXT = "Which weights should I run?"
Make = Callable[..., HubTokenizers]


def tokenizer_json() -> bytes:
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [TEXT], trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    )
    return made.to_str().encode()


CONTENT = tokenizer_json()


@pytest.fixture
async def make(hub: LocalHub, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[HubTokenizers] = []

    def maker(**settings: object) -> HubTokenizers:
        given = {"endpoint": hub.endpoint, "cache_file": str(tmp_path / "c.sqlite"), **settings}
        made.append(construct(HubTokenizers, given, name="hub"))
        return made[-1]

    yield maker
    for provider in made:
        await provider.aclose()


def add(hub: LocalHub, *, gated: bool = False, template: bool = True) -> Repo:
    files = {
        "config.json": text_file({}),
        "tokenizer.json": File(CONTENT, len(CONTENT), lfs=True),
        "tokenizer_config.json": text_file({"chat_template": "{{ messages | length }}"}),
    }
    if template:
        files["chat_template.jinja"] = text_file("{{ messages[0].content }}!")
    return hub.add(Repo(ID, files, gated=gated))


def check(tokenizer: Tokenizer | None) -> None:
    assert tokenizer is not None
    assert (
        list(tokenizer.encode(TEXT))
        == tokenizers.Tokenizer.from_str(CONTENT.decode()).encode(TEXT).ids
    )


async def test_it_is_fetched_once_and_served_offline_after(hub: LocalHub, make: Make):
    add(hub)
    check(await make().tokenizer(REQUEST))
    assert len(hub.requests("resolve", "tokenizer.json")) == 1
    before = len(hub.log)
    check(await make().tokenizer(REQUEST))
    read = hub.requests("resolve", "tokenizer.json")
    assert len(read) <= 1
    check(await make(offline=True).tokenizer(REQUEST))
    assert len(hub.log) == before


async def test_the_template_beside_it_wins_over_the_one_inside_the_config(
    hub: LocalHub, make: Make
):
    add(hub)
    tokenizer = await make().tokenizer(REQUEST)
    assert tokenizer is not None
    rendered = tokenizer.count_chat(Chat(messages=({"role": "user", "content": TEXT},)))
    assert rendered is not None
    assert rendered.tokens == tokenizer.count(f"{TEXT}!")
    assert "chat_template.jinja" in rendered.template


async def test_offline_nothing_is_asked(hub: LocalHub, make: Make):
    add(hub)
    assert await make(offline=True).tokenizer(REQUEST) is None
    assert hub.log == []


@pytest.mark.parametrize("name", ["gpt-4o", "llama 3.1 8b", "./folder", "7B", "a/b/c"])
async def test_only_a_repository_id_is_asked_for(hub: LocalHub, make: Make, name: str):
    assert await make().tokenizer(TokenizerRequest(name=name)) is None
    assert hub.log == []


async def test_an_unknown_repository_has_no_tokenizer_here(hub: LocalHub, make: Make):
    assert await make().tokenizer(TokenizerRequest(name="nobody/none")) is None


async def test_a_gated_one_says_what_to_do(hub: LocalHub, make: Make):
    add(hub, gated=True)
    with pytest.raises(ModelGated) as caught:
        await make().tokenizer(REQUEST)
    assert caught.value.hint


async def test_a_repository_without_the_file_is_named(hub: LocalHub, make: Make):
    hub.add(Repo(ID, {"config.json": text_file({})}))
    with pytest.raises(NoTokenizer) as caught:
        await make().tokenizer(REQUEST)
    assert ID in caught.value.message


async def test_a_download_goes_on_where_it_stopped(
    hub: LocalHub, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(hub_tokenizers, "_STEP_BYTES", len(CONTENT) // 2 + 1)
    monkeypatch.setattr(hub_tokenizers, "_FETCHING_SECONDS", 0.5)
    add(hub, template=False)
    snapshot = tmp_path / "tokenizers" / "models--inventors--Thing-1B" / "snapshots"
    provider = make(timeout=0.5)
    hub.faults.append(Fault("/storage/", kind="hang"))
    with pytest.raises(ProviderTimeout) as caught:
        await provider.tokenizer(REQUEST)
    assert "0 of" in caught.value.message
    assert not list(snapshot.glob("*/tokenizer.json"))
    hub.faults.clear()
    part = next(snapshot.glob("*")) / "tokenizer.json.part"
    part.write_bytes(CONTENT[:100])
    check(await make().tokenizer(REQUEST))
    ranges = [entry.headers["range"] for entry in hub.requests("storage") if entry.status == 206]
    assert ranges[0].startswith("bytes=100-")
    assert len(ranges) == 2
    assert json.loads((next(snapshot.glob("*")) / "tokenizer.json").read_bytes())


def gguf_file(folder: Path, rest_bytes: int = 0) -> File:
    """A GGUF file with a vocabulary of 300 pieces, and weights of no sense behind it."""
    path = write_ranks(folder / "made.gguf", ranks("llama3", 300), "llama-bpe")
    content = path.read_bytes() + b"\0" * rest_bytes
    return File(content, len(content), lfs=True)


@pytest.mark.parametrize("name", [ID, f"{ID}:Q4_K_M", f"{ID}/Thing-1B-Q4_K_M.gguf"])
async def test_of_a_gguf_file_only_the_header_is_fetched_and_served_offline_after(
    hub: LocalHub, make: Make, tmp_path: Path, name: str
):
    whole = gguf_file(tmp_path, rest_bytes=9_000_000)
    files = {"Thing-1B-Q4_K_M.gguf": whole, "Thing-1B-Q8_0.gguf": whole}
    hub.add(Repo(ID, {"README.md": text_file({}), **files}))
    request = TokenizerRequest(name=name)
    first = await make().tokenizer(request)
    assert first is not None
    assert first.count("hello") > 1
    assert "the Hub, commit" in first.identity.evidence.source
    served = [entry for entry in hub.requests("storage") if entry.status == 206]
    assert len(served) == 1
    before = len(hub.log)
    again = await make(offline=True).tokenizer(request)
    assert again is not None
    assert list(again.encode(TEXT)) == list(first.encode(TEXT))
    assert len(hub.log) == before


async def test_a_repository_of_several_gguf_models_asks_for_one_file(
    hub: LocalHub, make: Make, tmp_path: Path
):
    file = gguf_file(tmp_path)
    hub.add(Repo(ID, {"A-Q4_K_M.gguf": file, "B-Q4_K_M.gguf": file}))
    with pytest.raises(NoTokenizer) as caught:
        await make().tokenizer(REQUEST)
    assert ".gguf" in caught.value.hint
    with pytest.raises(NoTokenizer) as caught:
        await make().tokenizer(TokenizerRequest(name=f"{ID}:Q2_K"))
    assert "Q2_K" in caught.value.message
