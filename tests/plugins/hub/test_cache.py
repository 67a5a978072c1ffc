"""What is remembered of the Hub: confirmed by ETag, aged, bounded, shared, and never an error."""

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invented import dense
from local_hub import LocalHub, MakeProvider, text_file

from whichweights_plugins._cache import AnswerCache
from whichweights_schemas.models import ModelRef
from whichweights_schemas.requests import FindModel

ID = "inventors/Thing-1B"
REF = ModelRef(id=ID, provider="hub", match="id")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache.sqlite"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_an_old_answer_is_confirmed_without_being_sent_again(
    hub: LocalHub, make: MakeProvider
):
    hub.add(dense().repo(ID))
    first = await make().spec(REF)
    sent = hub.sent_bytes
    again = await make(fresh_seconds=0).spec(REF)
    assert again == first
    assert [entry.status for entry in hub.log] == [200, 200, 304]  # the config is of a commit
    assert hub.sent_bytes == sent


async def test_a_changed_repository_is_noticed(hub: LocalHub, make: MakeProvider):
    repo = hub.add(dense().repo(ID))
    await make().spec(REF)
    repo.files["config.json"] = text_file({**dense().config, "max_position_embeddings": 4096})
    spec = await make(fresh_seconds=0).spec(REF)
    assert spec is not None
    assert spec.revision == repo.sha
    assert spec.max_context_tokens == 4096


async def test_that_a_repository_is_missing_is_believed_for_a_short_time(
    hub: LocalHub, make: MakeProvider
):
    query = FindModel(query=ID)
    provider = make()
    assert await provider.find(query) == ()
    assert await provider.find(query) == ()
    assert len(hub.log) == 1
    hub.add(dense().repo(ID))
    assert await make(negative_seconds=0).find(query)


async def test_the_age_of_an_answer_is_told(hub: LocalHub, make: MakeProvider, tmp_path: Path):
    hub.add(dense().repo(ID))
    await make().spec(REF)
    with sqlite3.connect(tmp_path / "cache.sqlite") as connection:
        connection.execute("UPDATE answers SET checked_at = checked_at - 600")
    connection.close()
    spec = await make().spec(REF)
    assert spec is not None
    assert any((entry.note or "").startswith("cached 10 minutes ago") for entry in spec.evidence)


async def test_answers_for_one_token_are_not_shown_for_another(
    hub: LocalHub, make: MakeProvider, monkeypatch: pytest.MonkeyPatch
):
    hub.add(dense().repo(ID))
    for token in ("hf_one", "hf_two"):
        monkeypatch.setenv("OUR_TOKEN", token)
        assert await make(token_env="OUR_TOKEN").find(FindModel(query=ID))
    assert len(hub.log) == 2


async def test_without_a_cache_every_question_is_asked(hub: LocalHub, make: MakeProvider):
    hub.add(dense().repo(ID))
    provider = make(cache_max_bytes=0)
    for _ in range(2):
        assert await provider.find(FindModel(query=ID))
    assert len(hub.log) == 2
    assert (await provider.status())["cached"].startswith("0 answers")


@settings(max_examples=25)
@given(st.binary(max_size=5000), st.one_of(st.none(), st.text(max_size=50)))
def test_what_was_put_is_got(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, etag: str | None
):
    cache = AnswerCache(tmp_path_factory.mktemp("cache") / "c.sqlite")
    cache.put("key", 200, body, etag)
    found = cache.get("key")
    assert found is not None
    assert (found.status, found.body, found.etag) == (200, body, etag)
    assert cache.get("other") is None


def test_the_age_counts_from_the_last_confirmation(file: Path):
    clock = Clock()
    cache = AnswerCache(file, now=clock)
    cache.put("key", 200, b"body", None)
    clock.now += 100
    cache.confirm("key")
    clock.now += 5
    found = cache.get("key")
    assert found is not None
    assert found.age_seconds(clock.now) == 5


def test_an_answer_of_the_future_is_infinitely_old(file: Path):
    clock = Clock()
    cache = AnswerCache(file, now=clock)
    cache.put("key", 200, b"body", None)
    found = cache.get("key")
    assert found is not None
    assert found.age_seconds(clock.now - 10) == float("inf")


def test_what_was_not_used_for_longest_goes_first(file: Path):
    clock = Clock()
    cache = AnswerCache(file, max_bytes=4000, now=clock)
    noise = [random.Random(seed).randbytes(900) for seed in range(6)]
    for number, body in enumerate(noise[:3]):
        clock.now += 1
        cache.put(str(number), 200, body, None)
    clock.now += 1
    assert cache.get("0") is not None
    for number, body in enumerate(noise[3:], 3):
        clock.now += 1
        cache.put(str(number), 200, body, None)
    count, size = cache.facts()
    assert size <= 4000
    assert count < 6
    assert cache.get("1") is None
    assert cache.get("5") is not None


def test_an_answer_too_large_for_the_bound_is_not_kept(file: Path):
    cache = AnswerCache(file, max_bytes=1000)
    cache.put("key", 200, bytes(range(256)) * 4, None)
    cache.put("large", 200, b"".join(str(n * n).encode() for n in range(5000)), None)
    assert cache.get("large") is None


@pytest.mark.parametrize(
    "damage", [b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_built_anew(file: Path, damage: bytes):
    file.parent.mkdir()
    file.write_bytes(damage)
    cache = AnswerCache(file)
    assert cache.get("key") is None
    cache.put("key", 200, b"body", None)
    found = cache.get("key")
    assert found is not None
    assert cache.defect is None


def test_a_file_damaged_in_use_is_built_anew(file: Path):
    cache = AnswerCache(file)
    cache.put("key", 200, b"body", None)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    file.write_bytes(b"junk" * 4000)
    cache.put("key", 200, b"new", None)
    found = AnswerCache(file).get("key")
    assert found is not None
    assert found.body == b"new"


def test_a_file_of_another_layout_is_built_anew(file: Path):
    file.parent.mkdir()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE answers (something TEXT)")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    cache = AnswerCache(file)
    cache.put("key", 200, b"body", None)
    assert cache.get("key") is not None


def test_a_body_that_cannot_be_unpacked_is_dropped(file: Path):
    cache = AnswerCache(file)
    cache.put("key", 200, b"body", None)
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE answers SET body = x'00ff'")
    connection.close()
    assert cache.get("key") is None
    assert cache.facts()[0] == 0


def test_a_place_that_cannot_be_written_means_nothing_is_remembered(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    cache = AnswerCache(blocked / "cache.sqlite")
    cache.put("key", 200, b"body", None)
    assert cache.get("key") is None
    assert cache.defect


def test_a_file_another_process_holds_is_passed_over_in_time(file: Path):
    cache = AnswerCache(file)
    cache.put("key", 200, b"body", None)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    started = time.monotonic()
    cache.put("key", 200, b"new", None)
    assert time.monotonic() - started < 10
    assert "locked" in (cache.defect or "")
    holder.execute("ROLLBACK")
    holder.close()
    found = cache.get("key")
    assert found is not None
    assert found.body == b"body"


WRITE_MANY = """
import sys
from pathlib import Path
from whichweights_plugins._cache import AnswerCache
cache = AnswerCache(Path(sys.argv[1]))
for number in range(40):
    cache.put(f"{sys.argv[2]}-{number}", 200, sys.argv[2].encode(), None)
    assert cache.defect is None, cache.defect
"""


def test_several_processes_share_one_file(file: Path):
    command = [sys.executable, "-c", WRITE_MANY, str(file)]
    workers = [
        subprocess.Popen([*command, name], stderr=subprocess.PIPE, encoding="utf-8")
        for name in "abc"
    ]
    for worker in workers:
        _, complaint = worker.communicate(timeout=60)
        assert worker.returncode == 0, complaint
    assert AnswerCache(file).facts()[0] == 120
