"""Tokenizers on this machine: exact, found where they lie, never outside the allowed folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tokenizers
from corpus import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from made import CHATML, byte_level, sentence_pieces, write

from whichweights.testing import TokenizerProviderContract, construct, fake_model
from whichweights_plugins.tokenizers._json_tokenizer import JsonTokenizer, TokenizerFiles
from whichweights_plugins.tokenizers.local_tokenizers import LocalTokenizers, hub_cache
from whichweights_schemas.errors import (
    InputTooLarge,
    InvalidArgument,
    NoTokenizer,
    PathNotAllowed,
    ProviderFailed,
)
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Chat

BUILDS = {"byte level": byte_level, "sentence pieces": sentence_pieces}
each_build = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
CHAT = Chat(messages=({"role": "user", "content": "Why <|im_end|>?"},))


def json_tokenizer(made: tokenizers.Tokenizer, template: str | None = CHATML) -> JsonTokenizer:
    config = {"bos_token": "<s>", "chat_template": template}
    return JsonTokenizer(
        TokenizerFiles("own/made", "test", made.to_str().encode(), json.dumps(config).encode())
    )


@each_build
def test_the_ids_are_those_of_the_library(build: Callable[[], tokenizers.Tokenizer]):
    made = build()
    mine = json_tokenizer(made)
    made.encode_special_tokens = True
    for text in TEXTS:
        expected = made.encode(text, add_special_tokens=False).ids
        assert list(mine.encode(text)) == expected, text[:40]
        assert mine.count(text) == len(expected)


@each_build
@given(text=st.text(max_size=80))
def test_any_text_is_spelt_by_its_tokens(build: Callable[[], tokenizers.Tokenizer], text: str):
    mine = KEPT.setdefault(build.__name__, json_tokenizer(build()))
    spelt = b"".join(map(mine.token_bytes, mine.encode(text)))
    assert spelt == text.encode() or build is sentence_pieces
    assert spelt.decode("utf-8", "replace") == text or "\u2581" in text or build is byte_level


KEPT: dict[str, JsonTokenizer] = {}


def test_special_tokens_in_text_are_text_and_added_ones_are_found():
    mine = json_tokenizer(byte_level())
    assert mine.count("<|im_start|>") > 1
    assert mine.count("<think>") == 1


def test_a_chat_is_rendered_and_counted_with_its_special_tokens():
    made = byte_level()
    mine = json_tokenizer(made)
    counted = mine.count_chat(CHAT)
    assert counted
    text = "<s><|im_start|>user\nWhy <|im_end|>?<|im_end|>\n<|im_start|>assistant\n"
    assert counted.tokens == len(made.encode(text, add_special_tokens=False).ids)
    (doubled,) = counted.notes
    assert f"{counted.tokens + 1:,} tokens" in doubled
    open_ended = mine.count_chat(CHAT.model_copy(update={"add_generation_prompt": False}))
    assert open_ended
    assert open_ended.tokens < counted.tokens


def test_a_bos_that_the_template_does_not_write_is_not_doubled():
    counted = json_tokenizer(byte_level(), CHATML.replace("{{ bos_token }}", "")).count_chat(CHAT)
    assert counted
    assert counted.notes == ()


def test_a_template_for_tools_serves_chats_with_tools():
    named = [
        {"name": "default", "template": "plain"},
        {"name": "tool_use", "template": "with {{ tools | length }} tools {{ eos_token }}"},
    ]
    made = byte_level()
    config = {"chat_template": named, "eos_token": {"content": "</s>"}}
    files = TokenizerFiles("own/made", "test", made.to_str().encode(), json.dumps(config).encode())
    mine = JsonTokenizer(files)
    with_tools = mine.count_chat(CHAT.model_copy(update={"tools": ({"name": "f"},)}))
    without = mine.count_chat(CHAT)
    assert with_tools
    assert without
    assert without.tokens == mine.count("plain")
    assert with_tools.tokens == mine.count("with 1 tools ") + 1


def test_without_a_template_there_is_no_rendered_count():
    assert json_tokenizer(byte_level(), None).count_chat(CHAT) is None


def test_what_the_template_refuses_is_a_typed_error():
    with pytest.raises(InvalidArgument):
        json_tokenizer(byte_level(), "{{ raise_exception('no') }}").count_chat(CHAT)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"version": "1.0"}'])
def test_a_file_that_is_no_tokenizer_is_a_typed_error(content: bytes):
    with pytest.raises(ProviderFailed):
        JsonTokenizer(TokenizerFiles("own/made", "test", content))


def test_more_than_the_cap_is_refused():
    with pytest.raises(InputTooLarge):
        json_tokenizer(byte_level()).count("x" * 8_000_001)


@pytest.mark.parametrize("token", [-1, 2**31, 2**40])
def test_an_id_outside_the_vocabulary_is_a_key_error(token: int):
    with pytest.raises(KeyError):
        json_tokenizer(byte_level()).token_bytes(token)


async def test_a_folder_is_a_model_inside_the_allowed_roots_only(tmp_path: Path):
    folder = write(tmp_path / "inside" / "model", byte_level())
    settings = {"roots": [str(tmp_path / "inside")], "hub_cache": str(tmp_path / "hub")}
    provider = construct(LocalTokenizers, settings)
    for name in (str(folder), str(folder / "tokenizer.json")):
        assert await provider.tokenizer(TokenizerRequest(name=name))
    with pytest.raises(PathNotAllowed):
        await provider.tokenizer(TokenizerRequest(name=str(tmp_path / "other")))
    (tmp_path / "inside" / "link").symlink_to(tmp_path)
    with pytest.raises(PathNotAllowed):
        await provider.tokenizer(TokenizerRequest(name=str(tmp_path / "inside" / "link")))
    with pytest.raises(NoTokenizer):
        await provider.tokenizer(TokenizerRequest(name=str(tmp_path / "inside")))


async def test_what_was_downloaded_is_found_in_the_cache_of_the_hub(tmp_path: Path):
    repository = tmp_path / "models--own--made"
    write(repository / "snapshots" / "abc123", byte_level())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123", encoding="utf-8")
    provider = construct(LocalTokenizers, {"hub_cache": str(tmp_path)})
    found = await provider.tokenizer(
        TokenizerRequest(name="whatever", model=fake_model("own/made"))
    )
    assert found
    assert found.identity.sha256
    assert await provider.tokenizer(TokenizerRequest(name="own/other")) is None
    step = await provider.how_to_get(TokenizerRequest(name="own/other"))
    assert step
    assert step.startswith("hf download own/other ")


async def test_the_operators_map_comes_first(tmp_path: Path):
    folder = write(tmp_path / "anywhere", sentence_pieces())
    settings: dict[str, object] = {
        "folders": {"my-model": str(folder)},
        "roots": [],
        "hub_cache": str(tmp_path),
    }
    provider = construct(LocalTokenizers, settings)
    assert await provider.tokenizer(TokenizerRequest(name="my-model"))
    assert list(await provider.known_names()) == ["my-model"]


def test_the_cache_is_where_huggingface_hub_keeps_it():
    home = Path.home()
    assert hub_cache({}) == home / ".cache" / "huggingface" / "hub"
    assert hub_cache({"HF_HOME": "/a"}) == Path("/a/hub")
    assert hub_cache({"HF_HUB_CACHE": "/b", "HF_HOME": "/a"}) == Path("/b")
    assert hub_cache({"XDG_CACHE_HOME": "/c"}) == Path("/c/huggingface/hub")


class TestContract(TokenizerProviderContract):
    known_name = "own-model"

    @pytest.fixture
    def provider(self, tmp_path: Path) -> LocalTokenizers:
        folder = write(tmp_path / "model", byte_level())
        return construct(
            LocalTokenizers, {"folders": {"own-model": str(folder)}, "hub_cache": str(tmp_path)}
        )
