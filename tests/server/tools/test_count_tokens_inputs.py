"""count_tokens beyond one text: chats, tools, files, amounts, closed models; and its deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whichweights.config import Config, Files
from whichweights.registry import Registry
from whichweights.resolve.progress import progress_to
from whichweights.testing import FakeTokenizers
from whichweights.toolbox import Toolbox, open_toolbox
from whichweights.tools import _token_counts, tool_specs
from whichweights_schemas.errors import (
    InvalidArgument,
    NoTokenizer,
    PathNotAllowed,
    ProviderTimeout,
    UnknownLanguage,
)
from whichweights_schemas.requests import RemoteCountRequest, TokenizerRequest
from whichweights_schemas.tokenizing import RemoteCount, Tokenizer

HI = {"role": "user", "content": "hi"}
TOOL = {
    "name": "get_weather",
    "description": "Gets the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def test_a_chat_of_gpt_oss_is_rendered_in_its_own_format(tools: Toolbox):
    answer = await tools.count_tokens(models="openai/gpt-oss-20b", messages=[HI])
    (count,) = answer.counts
    assert count.method == "rendered"
    assert count.raw_tokens == 1
    # openai-harmony 0.0.8 renders 68 tokens for this chat, whatever the date.
    assert count.tokens == 68
    shorter = await tools.count_tokens(
        models="openai/gpt-oss-20b", messages=[HI], add_generation_prompt=False
    )
    assert shorter.counts[0].tokens == count.tokens - 2
    with_tool = await tools.count_tokens(models="openai/gpt-oss-20b", messages=[HI], tools=[TOOL])
    assert (with_tool.counts[0].tokens or 0) > count.tokens + 30


async def test_tools_follow_the_documented_rule_where_it_is_documented(tools: Toolbox):
    plain = (await tools.count_tokens(models="gpt-4o", messages=[HI])).counts[0]
    new = (await tools.count_tokens(models="gpt-4o", messages=[HI], tools=[TOOL])).counts[0]
    old = (await tools.count_tokens(models="gpt-4", messages=[HI], tools=[TOOL])).counts[0]
    assert new.method == old.method == "rule"
    assert plain.tokens is not None
    assert new.tokens is not None
    assert new.tokens > plain.tokens + 7 + 3 + 3 + 12
    wrapped = {"type": "function", "function": TOOL}
    same = await tools.count_tokens(models="gpt-4o", messages=[HI], tools=[wrapped])
    assert same.counts[0].tokens == new.tokens


@pytest.mark.parametrize("kind", ["image_url", "input_image", "image", "input_audio", "file"])
async def test_an_image_is_refused_by_name(tools: Toolbox, kind: str):
    message = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": kind, "x": "y"}]}
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models="gpt-4o", messages=[message])
    assert kind in caught.value.message
    assert caught.value.field == "messages.0.content.1"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "user", "content": 5}, "messages.0.content"),
        ({"role": "user", "content": {"type": "text"}}, "messages.0.content"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages.0.content.0.text"),
        ({"role": "user", "content": [{"text": "a"}]}, "messages.0.content.0.type"),
        ({"role": "user", "content": ["a"]}, "messages.0.content.0"),
        (
            {"role": "user", "content": [{"type": "image", "width": "wide", "height": 1}]},
            "messages.0.content.0.width",
        ),
        ({"content": "a"}, "messages.0.role"),
        ({"role": "user", "naem": "a"}, "messages.0.naem"),
        ({"role": "user", "tool_calls": ["f"]}, "messages.0.tool_calls.0"),
    ],
)
async def test_a_message_of_the_wrong_shape_is_one_line_that_names_the_field(
    tools: Toolbox, message: dict[str, Any], field: str
):
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models="gpt-4o", messages=[message])
    assert caught.value.field == field
    assert "[" not in caught.value.message
    assert "\n" not in caught.value.message


async def test_a_missing_chat_template_names_the_command_that_fetches_it(tools: Toolbox):
    with pytest.raises(NoTokenizer) as caught:
        await tools.count_tokens(models="llama 3.1 8b", messages=[HI])
    assert "`hf download meta-llama/Llama-3.1-8B-Instruct" in caught.value.hint


async def test_parts_of_text_are_one_content(tools: Toolbox):
    parts = [{"type": "text", "text": "hello "}, {"type": "text", "text": "world"}]
    split = await tools.count_tokens(models="gpt-4o", messages=[{"role": "user", "content": parts}])
    whole = await tools.count_tokens(
        models="gpt-4o", messages=[{"role": "user", "content": "hello world"}]
    )
    assert split.counts == whole.counts


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "a", "tools": [TOOL]},
        {"messages": [HI], "tools": [{"description": "nameless"}]},
        {"messages": [HI], "tools": [3]},
    ],
)
async def test_tools_without_a_chat_or_a_name_are_refused(
    tools: Toolbox, arguments: dict[str, Any]
):
    with pytest.raises(InvalidArgument) as caught:
        await tools.count_tokens(models="gpt-4o", **arguments)
    assert (caught.value.field or "").startswith("tools")


async def test_tool_calls_are_not_forced_into_a_rule_that_does_not_cover_them(tools: Toolbox):
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f"}}]}
    for model in ("gpt-4o", "openai/gpt-oss-20b"):
        with pytest.raises(NoTokenizer):
            await tools.count_tokens(models=model, messages=[HI, call])


async def test_a_closed_model_gets_a_band_and_no_other_vendors_count(tools: Toolbox):
    text = "All happy families are alike; each unhappy one is so in its own way. " * 50
    answer = await tools.count_tokens(models=["claude-sonnet-4-5", "gemini-2.5-pro"], text=text)
    for count in answer.counts:
        assert count.method == "estimate"
        assert count.tokenizer is None
        assert count.raw_tokens is None
        assert count.tokens is not None
        assert count.low is not None
        assert count.high is not None
        assert count.low < count.tokens < count.high
        assert count.low <= 14 * 50 <= 17 * 50 <= count.high
        assert any("publishes no tokenizer" in w and "key_env" in w for w in answer.warnings)
    assert {e.basis for e in answer.evidence if "counts.tokens" in e.fields} == {"prior"}


class Endpoint(FakeTokenizers):
    """Has no tokenizer, and a count endpoint."""

    tokenizer_names: ClassVar[Sequence[str]] = ()

    async def count_remotely(self, request: RemoteCountRequest) -> RemoteCount:
        return RemoteCount(tokens=42, source="count endpoint x", notes=("sent to x",))


async def test_a_configured_endpoint_counts_and_the_warning_names_it():
    async with open_toolbox(Config()) as toolbox:
        toolbox.registry.add("endpoint", Endpoint)
        answer = await toolbox.count_tokens(models="claude-sonnet-4-5", text="hi")
        (count,) = answer.counts
        assert (count.tokens, count.method) == (42, "api")
        assert "sent to x" in answer.warnings
        chat = await toolbox.count_tokens(models="claude-sonnet-4-5", messages=[HI])
        assert chat.counts[0].method == "api"


async def test_a_model_that_is_not_at_hand_names_the_command_that_fetches_it(tools: Toolbox):
    with pytest.raises(NoTokenizer) as caught:
        await tools.count_tokens(models="google/gemma-3-27b-it", text="hi")
    assert "hf download google/gemma-3-27b-it" in caught.value.hint


async def test_a_folder_is_counted_file_by_file(tmp_path: Path):
    (tmp_path / "a.py").write_text("x = 1  # é\n" * 100, encoding="utf-8")
    (tmp_path / "b.md").write_text("hello world", encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"\0\1\2")
    (tmp_path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (tmp_path / "d.log").write_text("ignored", encoding="utf-8")
    config = Config(files=Files(roots=(tmp_path,)))
    said: list[tuple[float, float | None]] = []

    async def listen(done: float, total: float | None, _message: str | None) -> None:
        said.append((done, total))

    async with open_toolbox(config) as toolbox:
        with progress_to(listen):
            answer = await toolbox.count_tokens(
                models=["o200k_base", "cl100k_base"], path=str(tmp_path)
            )
    assert answer.input.files == 3
    assert answer.input.skipped_files == 1
    assert answer.largest_files
    assert [row.path for row in answer.largest_files] == ["a.py", ".gitignore", "b.md"]
    assert answer.counts[0].tokens == sum(row.tokens for row in answer.largest_files)
    assert answer.largest_files[2].tokens == 2
    assert "1 binary" in answer.warnings[0]
    assert [done for done, _ in said] == sorted({done for done, _ in said})
    assert said[-1][0] == said[-1][1]


async def test_no_file_is_read_for_callers_on_other_machines(tmp_path: Path):
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    strangers = Registry(Config().registry_settings(local_callers=False))
    with pytest.raises(PathNotAllowed):
        await Toolbox(strangers, tool_specs()).count_tokens(models="o200k_base", path=".")
    named = Config(files=Files(roots=(tmp_path,))).registry_settings(local_callers=False)
    answer = await Toolbox(Registry(named), tool_specs()).count_tokens(
        models="o200k_base", path=str(tmp_path)
    )
    assert answer.input.files == 1


async def test_a_hundred_page_tamil_contract_needs_no_text(tools: Toolbox):
    models = ["llama 3.1 8b", "gpt-4o", "claude-sonnet-4-5"]
    answer = await tools.count_tokens(models=models, pages=100, language="Tamil")
    llama, gpt, claude = answer.counts
    assert [count.method for count in answer.counts] == ["estimate"] * 3
    assert llama.tokens == pytest.approx(283_000, rel=0.02)
    assert llama.times_english == pytest.approx(7.63)
    assert gpt.tokens is not None
    assert llama.tokens is not None
    assert llama.tokens > 3 * gpt.tokens
    assert claude.low is not None
    assert claude.high is not None
    assert claude.low <= gpt.tokens
    assert claude.high >= llama.tokens
    assert claude.tokenizer is None


async def test_words_of_a_language_nobody_measured_stay_unknown(tools: Toolbox):
    answer = await tools.count_tokens(models="gpt-4o", words=1000, language="tlh")
    assert answer.counts[0].tokens is None
    assert any("tokens" in entry.field for entry in answer.unknown)
    with pytest.raises(UnknownLanguage) as caught:
        await tools.count_tokens(models="gpt-4o", words=1000, language="no language at all")
    assert caught.value.field == "language"


async def test_the_premium_of_a_script_is_told(tools: Toolbox):
    answer = await tools.count_tokens(models=["cl100k_base", "o200k_base"], text="தமிழ் ஒப்பந்தம்")
    assert [count.times_english for count in answer.counts] == [7.63, 1.98]
    english = await tools.count_tokens(models="o200k_base", text="a contract")
    assert english.counts[0].times_english is None


async def test_the_event_loop_answers_while_eight_megabytes_are_counted(tools: Toolbox):
    text = "All happy families are alike; ñandú Größe 漢字 x=1;\n" * 135_000
    await tools.count_tokens(models="o200k_base", text="warm")
    longest = 0.0
    over = anyio.Event()

    async def ping() -> None:
        nonlocal longest
        while not over.is_set():
            before = time.perf_counter()
            await anyio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    async with anyio.create_task_group() as group:
        group.start_soon(ping)
        await tools.count_tokens(models="o200k_base", text=text)
        over.set()
    # The bar is 50 ms on an idle machine (benchmarks/token_speed.py); a held loop takes seconds.
    assert longest < 1.5


class Slow(FakeTokenizers):
    """Its tokenizer works until the test is over."""

    tokenizer_names: ClassVar[Sequence[str]] = ("slow",)
    started: ClassVar[list[str]] = []

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        found = await super().tokenizer(request)
        if found is not None:
            import threading

            waiting = threading.Event()

            def count(text: str) -> int:
                self.started.append(text)
                waiting.wait(20)
                return 0

            found.count = count
        return found


async def test_counting_has_a_deadline_of_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_token_counts, "SECONDS_PER_MEGABYTE", 0.3)
    registry = Registry(entry_points=())
    registry.add("slow", Slow)
    with anyio.fail_after(5), pytest.raises(ProviderTimeout) as caught:
        await Toolbox(registry, tool_specs()).count_tokens(models="slow", text="x")
    assert caught.value.hint


async def test_a_cancelled_count_gives_up_at_once():
    registry = Registry(entry_points=())
    registry.add("slow", Slow)
    with anyio.fail_after(5):
        with anyio.move_on_after(0.3) as scope:
            await Toolbox(registry, tool_specs()).count_tokens(models="slow", text="x")
    assert scope.cancelled_caught


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)


@settings(max_examples=8)
@given(texts=st.lists(st.tuples(ANY_TEXT, st.integers(1, 200)), min_size=4, max_size=8))
async def test_no_text_breaks_it(texts: list[tuple[str, int]]):
    models = ["o200k_base", "cl100k_base", "claude-sonnet-4-5"]
    async with open_toolbox(Config()) as toolbox:
        for text, repeated in texts:
            arguments = {"models": models, "text": text * repeated, "show_tokens": 5}
            answer = await toolbox.call("count_tokens", arguments)
            assert not answer.is_error
            assert str(answer.structured).encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [" " * 1_200_000, "\t" * 1_200_000 + "x", "a" * 1_000_000, "\0" * 1_000_000, "-" * 1_000_000],
    ids=["blanks", "tabs", "letters", "nul", "dashes"],
)
async def test_what_chokes_tokenizers_is_counted_or_refused_in_time(tools: Toolbox, text: str):
    with anyio.fail_after(20):
        answer = await tools.call("count_tokens", {"models": "o200k_base", "text": text})
    if answer.is_error:
        assert answer.structured["code"] == "input_too_large"
        assert not text.strip("\t x")
    else:
        assert answer.structured["counts"][0]["tokens"] > 0
