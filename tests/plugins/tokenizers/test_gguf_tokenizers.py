"""A GGUF file counts by the vocabulary inside it: the maker's ids, or a refusal."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gguf_vocabularies as files
import pytest
import tiktoken
from corpus import TEXTS
from hypothesis import given
from hypothesis import strategies as st

from whichweights.testing import construct
from whichweights_plugins.tokenizers._gguf_files import gguf_tokenizer
from whichweights_plugins.tokenizers._gguf_splits import SPLITS
from whichweights_plugins.tokenizers.local_tokenizers import LocalTokenizers
from whichweights_schemas.errors import InvalidArgument, NoTokenizer, ProviderFailed
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Chat, Tokenizer

splintr = files.splintr
PIECES = 6_000
# The patterns are those that splintr's authors took from the families' own files.
SPLIT_BY = {
    "llama-bpe": ("llama3", splintr.LLAMA3_PATTERN),
    "qwen2": ("qwen3", splintr.QWEN2_PATTERN),
    "gpt-4o": ("o200k_base", splintr.O200K_BASE_PATTERN),
    "tekken": ("mistral_v3", splintr.MISTRAL_V3_PATTERN),
    "kimi-k2": ("kimi_k2", splintr.KIMI_PATTERN),
    "glm4": ("glm4", splintr.LLAMA3_PATTERN),
    "gpt-2": ("modernbert", splintr.GPT2_PATTERN),
}
HI = Chat(messages=({"role": "user", "content": "hi"},))


async def opened(path: Path, name: str | None = None) -> Tokenizer:
    provider = construct(LocalTokenizers, {"roots": [str(path.parent)]})
    found = await provider.tokenizer(TokenizerRequest(name=name or str(path)))
    assert found is not None
    return found


def assert_same(tokenizer: Tokenizer, ids: Callable[[str], Sequence[int]]) -> None:
    assert len(TEXTS) > 50
    for text in TEXTS:
        expected = list(ids(text))
        assert list(tokenizer.encode(text)) == expected, text[:40]
        assert tokenizer.count(text) == len(expected)


@pytest.mark.parametrize("pre", SPLIT_BY)
async def test_a_byte_level_vocabulary_gives_the_ids_of_the_rank_file(tmp_path: Path, pre: str):
    vocabulary, pattern = SPLIT_BY[pre]
    # The first thousand ids of Tekken are control tokens.
    ranks = files.ranks(vocabulary, PIECES, 1000 if pre == "tekken" else 0)
    assert len(ranks) == PIECES
    # Of the marks behind the vocabulary only the author's own piece is found in text.
    theirs = tiktoken.Encoding(
        pre, pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<think>": len(ranks) + 1}
    )
    tokenizer = await opened(files.write_ranks(tmp_path / "model.gguf", ranks, pre))
    assert_same(tokenizer, lambda text: theirs.encode(text, allowed_special="all"))
    assert tokenizer.identity.sha256
    assert pre in tokenizer.identity.evidence.source


async def test_the_three_splits_of_deepseek_give_the_ids_of_its_own_tokenizer(tmp_path: Path):
    theirs = splintr.Tokenizer.from_pretrained("deepseek_v3")
    ranks = {theirs.decode_token_bytes(rank): rank for rank in range(3, 128_000)}
    tokens = ["<|bos|>", "<|eos|>", "<|pad|>", *map(files.shown, ranks)]
    kinds = [files.CONTROL] * 3 + [files.NORMAL] * len(ranks)
    path = files.write(
        tmp_path / "m.gguf", tokens, kinds, pre="deepseek-v3", merges=files.merges(ranks)
    )
    tokenizer = await opened(path)
    for text in TEXTS:
        if "<think>" not in text:
            assert list(tokenizer.encode(text)) == theirs.encode_ordinary(text), text[:40]


def sentence_pieces(name: str) -> Any:
    common: Any = importlib.import_module("mistral_common")
    library: Any = importlib.import_module("sentencepiece")
    folder = Path(common.__file__).parent / "data"
    return library.SentencePieceProcessor(model_file=str(folder / name))


@pytest.mark.parametrize(
    "name", ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"]
)
async def test_a_sentencepiece_vocabulary_gives_the_ids_of_sentencepiece(tmp_path: Path, name: str):
    theirs = sentence_pieces(name)
    path = files.write_sentence_pieces(tmp_path / "m.gguf", theirs)
    assert_same(await opened(path), lambda text: theirs.encode(text))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Any]:
    theirs = sentence_pieces("tokenizer.model.v1")
    path = files.write_sentence_pieces(tmp_path_factory.mktemp("any") / "m.gguf", theirs)
    return gguf_tokenizer(path, "made", "test"), theirs


@given(text=st.text(max_size=60) | st.text(alphabet="ab \u2581<s>0x\n\t", max_size=80))
def test_any_text_gives_the_ids_of_sentencepiece(both: tuple[Tokenizer, Any], text: str):
    mine, theirs = both
    assert list(mine.encode(text)) == theirs.encode(text)


def small(path: Path, **more: Any) -> Path:
    """A byte-level vocabulary of 300 pieces."""
    return files.write_ranks(path, files.ranks("llama3", 300), more.pop("pre", "llama-bpe"), **more)


async def test_the_template_inside_renders_a_chat_and_a_doubled_bos_is_told(tmp_path: Path):
    def add(writer: Any) -> None:
        writer.add_bos_token_id(300)
        writer.add_chat_template(
            [
                {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}"},
                {"name": "tool_use", "template": "{{ bos_token }}{{ tools | length }}"},
            ]
        )

    tokenizer = await opened(small(tmp_path / "m.gguf", more=add))
    plain = tokenizer.count_chat(HI)
    tools = tokenizer.count_chat(HI.model_copy(update={"tools": ({"name": "f"},)}))
    assert plain
    assert tools
    assert plain.tokens == tokenizer.count("hi") + 1
    assert tools.tokens == tokenizer.count("1") + 1
    assert any("doubles" in note for note in plain.notes)
    assert any("adds 1 special" in note for note in tokenizer.notes)


async def test_without_a_template_a_chat_is_not_rendered(tmp_path: Path):
    assert (await opened(small(tmp_path / "m.gguf"))).count_chat(HI) is None


@pytest.mark.parametrize("pre", ["default", "qwen35", "my-own", None])
async def test_a_split_nobody_verified_is_refused_by_name(tmp_path: Path, pre: str | None):
    with pytest.raises(NoTokenizer) as caught:
        await opened(small(tmp_path / "m.gguf", pre=pre))
    assert (pre or "none") in caught.value.message
    assert "repository" in caught.value.hint
    assert caught.value.field == "models"


@pytest.mark.parametrize("model", ["t5", "bert", "rwkv", "gemma4", "none"])
async def test_other_kinds_of_vocabularies_are_refused_by_name(tmp_path: Path, model: str):
    path = files.write(tmp_path / "m.gguf", ["a", "b"], [1, 1], model=model)
    with pytest.raises(NoTokenizer) as caught:
        await opened(path)
    assert repr(model) in caught.value.message


async def test_scores_that_leave_the_order_open_are_refused(tmp_path: Path):
    tokens, kinds = ["<unk>", "a", "b", "c", "ab", "bc"], [2, 1, 1, 1, 1, 1]
    for scores in ((), (0.0, -9.0, -9.0, -9.0, -1.0, -1.0)):
        path = files.write(tmp_path / "m.gguf", tokens, kinds, model="llama", scores=scores)
        with pytest.raises(NoTokenizer):
            await opened(path)


async def test_what_an_author_defined_is_found_whole_in_text(tmp_path: Path):
    tokens = ["<unk>", "<s>", "a", "\u2581", "\n", "\n\n", "\n\n\n", "<0x41>"]
    kinds = [2, 3, 1, 1, 1, 4, 4, 6]
    scores = [0.0, 0.0, -3.0, -4.0, -5.0, 0.0, 0.0, 0.0]

    def add(writer: Any) -> None:
        writer.add_add_space_prefix(False)

    path = files.write(tmp_path / "m.gguf", tokens, kinds, model="llama", scores=scores, more=add)
    assert list((await opened(path)).encode("a\n\n\na <s>"))[:4] == [2, 6, 2, 3]
    assert 1 not in (await opened(path)).encode("<s>")


async def test_a_file_without_a_vocabulary_or_a_broken_one_is_a_typed_error(tmp_path: Path):
    bare = files.gguf.GGUFWriter(tmp_path / "mmproj.gguf", "clip")
    bare.write_header_to_file()
    bare.write_kv_data_to_file()
    bare.close()
    with pytest.raises(NoTokenizer):
        await opened(tmp_path / "mmproj.gguf")
    whole = small(tmp_path / "whole.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidArgument) as caught:
        await opened(tmp_path / "cut.gguf")
    assert caught.value.field == "models"
    strange = files.write(tmp_path / "s.gguf", ["a", "b"], [1, 1], pre="qwen2", merges=["x y"])
    with pytest.raises(ProviderFailed):
        await opened(strange)


async def test_a_folder_of_one_model_counts_by_its_smallest_file(tmp_path: Path):
    folder = tmp_path / "Model-GGUF"
    folder.mkdir()
    for kind in ("Q4_K_M", "Q8_0"):
        small(folder / f"Model-{kind}.gguf")
    assert (await opened(folder)).count("hello")
    small(folder / "Other-Q4_K_M.gguf")
    with pytest.raises(NoTokenizer) as caught:
        await opened(folder)
    assert "one model" in caught.value.message


async def test_a_downloaded_file_is_found_by_repository_and_format(tmp_path: Path):
    snapshot = tmp_path / "models--own--Thing-GGUF" / "snapshots" / "abc1"
    snapshot.mkdir(parents=True)
    small(snapshot / "Thing-Q4_K_M.gguf")
    refs = tmp_path / "models--own--Thing-GGUF" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc1", encoding="utf-8")
    provider = construct(LocalTokenizers, {"hub_cache": str(tmp_path)})
    for name in ("own/Thing-GGUF", "own/Thing-GGUF:Q4_K_M", "own/Thing-GGUF/Thing-Q4_K_M.gguf"):
        assert await provider.tokenizer(TokenizerRequest(name=name)), name
    other = TokenizerRequest(name="own/Thing-GGUF:Q8_0")
    assert await provider.tokenizer(other) is None
    assert await provider.how_to_get(other) == 'hf download own/Thing-GGUF --include "*Q8_0*"'


def test_every_split_names_what_it_was_held_against():
    assert all(split.verified for split in SPLITS.values())
