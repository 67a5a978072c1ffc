"""Every tokenizer at hand gives, id by id, what the reference tokenizer gives."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tiktoken
from corpus import TEXTS
from hypothesis import given
from hypothesis import strategies as st

from whichweights.testing import construct
from whichweights_plugins.tokenizers import _byte_pair
from whichweights_plugins.tokenizers._byte_pair import BytePairTokenizer
from whichweights_plugins.tokenizers.mistral_tokenizers import MistralTokenizers
from whichweights_plugins.tokenizers.open_vocabularies import OpenVocabularies
from whichweights_plugins.tokenizers.openai_encodings import OpenAIEncodings
from whichweights_schemas.requests import TokenizerRequest
from whichweights_schemas.tokenizing import Tokenizer

OPENAI = ("o200k_base", "o200k_harmony", "cl100k_base")
OPEN = ("llama3", "qwen2", "qwen2.5", "qwen3", "kimi_k2")
MISTRAL = ("mistral-v1", "mistral-v3", "mistral-v3-tekken", "mistral-v7")


async def tokenizer_of(name: str) -> Tokenizer:
    for provider in (OpenAIEncodings, OpenVocabularies, MistralTokenizers):
        found = await construct(provider).tokenizer(TokenizerRequest(name=name))
        if found is not None:
            return found
    raise AssertionError(f"no tokenizer called {name}")


def reference(name: str, tokenizer: Tokenizer) -> Callable[[str], Sequence[int]]:
    """Raw tiktoken for OpenAI's, splintr's own engine for the open ones, mistral-common's."""
    if name in OPENAI:
        assert isinstance(tokenizer, BytePairTokenizer)
        encoding: tiktoken.Encoding = tokenizer.encoding
        return encoding.encode_ordinary
    if name in OPEN:
        import splintr  # pyright: ignore[reportMissingTypeStubs]

        theirs: Any = splintr.Tokenizer.from_pretrained(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        special = {t for t in ("<think>",) if name == "qwen3"}

        def ids(text: str) -> Sequence[int]:
            # The maker's tokenizer normalises first; the package leaves that to its caller.
            text = unicodedata.normalize("NFC", text) if name.startswith("qwen") else text
            if any(mark in text for mark in special):
                return []
            return theirs.encode_ordinary(text)

        return ids
    return mistrals(name)


def mistrals(name: str) -> Callable[[str], Sequence[int]]:
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    made: Any = MistralTokenizer
    whole = made.v3(is_tekken=True) if name.endswith("tekken") else getattr(made, name[-2:])()
    words: Any = whole.instruct_tokenizer.tokenizer

    def ids(text: str) -> Sequence[int]:
        return words.encode(text, bos=False, eos=False)

    return ids


@pytest.mark.parametrize("name", [*OPENAI, *OPEN, *MISTRAL])
async def test_the_ids_are_those_of_the_reference(name: str):
    tokenizer = await tokenizer_of(name)
    ids = reference(name, tokenizer)
    compared = 0
    for text in TEXTS:
        expected = list(ids(text))
        if not expected and text:
            continue
        compared += 1
        assert list(tokenizer.encode(text)) == expected, text[:40]
        assert tokenizer.count(text) == len(expected)
    assert compared >= 50


async def test_a_thinking_mark_is_one_token_of_qwen_3_and_text_to_qwen_2():
    new, old = await tokenizer_of("qwen3"), await tokenizer_of("qwen2")
    assert list(new.encode("<think>")) == [151667]
    assert old.count("<think>") > 1
    assert new.count("<|im_start|>") > 1


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base", "llama3", "qwen3", "kimi_k2"])
async def test_counting_in_steps_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_byte_pair, "_STEP_CHARACTERS", 7)
    tokenizer = await tokenizer_of(name)
    for text in (*TEXTS, "\n\n  ".join(TEXTS)):
        assert tokenizer.count(text) == len(tokenizer.encode(text)), text[:40]


@given(text=st.text(alphabet="aZé1 \n\t\r.'sß漢-/", max_size=60))
async def test_steps_add_up_for_any_text(text: str):
    tokenizer = await KEPT.get("o200k_base")
    other = await KEPT.get("cl100k_base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_byte_pair, "_STEP_CHARACTERS", 2)
        for one in (tokenizer, other):
            assert one.count(text) == len(one.encode(text))


class Kept:
    """Vocabularies loaded once for all examples."""

    def __init__(self) -> None:
        self._loaded: dict[str, Tokenizer] = {}

    async def get(self, name: str) -> Tokenizer:
        if name not in self._loaded:
            self._loaded[name] = await tokenizer_of(name)
        return self._loaded[name]


KEPT = Kept()


async def test_a_package_whose_vocabulary_is_not_the_makers_is_refused(
    monkeypatch: pytest.MonkeyPatch,
):
    import dataclasses

    from whichweights_plugins.tokenizers import _vocabulary_facts, open_vocabularies
    from whichweights_schemas.errors import NoTokenizer

    changed = dataclasses.replace(_vocabulary_facts.FAMILIES[0], sha256="0" * 64)

    def changed_family(_name: str) -> _vocabulary_facts.FamilyFacts:
        return changed

    monkeypatch.setattr(open_vocabularies, "family_of", changed_family)
    with pytest.raises(NoTokenizer) as caught:
        await construct(OpenVocabularies).tokenizer(TokenizerRequest(name="llama3"))
    assert "sha256" in caught.value.message


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("meta-llama/Meta-Llama-3-8B", "llama3"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "qwen2.5"),
        ("Qwen/Qwen3-30B-A3B", "qwen3"),
        ("moonshotai/Kimi-K2-Instruct", "kimi_k2"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", None),
        ("Qwen/Qwen3.5-9B", None),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", None),
        ("moonshotai/Kimi-K3", None),
        ("meta-llama/Llama-2-7b-hf", None),
    ],
)
async def test_a_vocabulary_serves_its_own_family_only(name: str, family: str | None):
    found = await construct(OpenVocabularies).tokenizer(TokenizerRequest(name=name))
    assert (found.identity.name if found else None) == family
