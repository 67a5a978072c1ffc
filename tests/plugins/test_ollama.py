"""The `ollama` provider against a small server that speaks ollama's API on loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

from whichweights.config import Config
from whichweights.planning.weights import weigh
from whichweights.resolve.models import resolve_model
from whichweights.testing import ModelProviderContract, construct
from whichweights.toolbox import open_toolbox
from whichweights_plugins._ollama_api import endpoint_of, is_loopback
from whichweights_plugins.ollama import OllamaProvider
from whichweights_schemas.errors import (
    ModelNotFound,
    ProviderFailed,
    ProviderTimeout,
    UnsupportedArchitecture,
)
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.requests import FindModel

H, FF, V, LAYERS = 256, 512, 512, 2
Json = dict[str, Any]


def tensors() -> list[Json]:
    rows: list[Json] = [
        {"name": "token_embd.weight", "type": "Q4_K", "shape": [H, V]},
        {"name": "output.weight", "type": "Q6_K", "shape": [H, V]},
        {"name": "output_norm.weight", "type": "F32", "shape": [H]},
    ]
    shapes = {
        "attn_q": [H, 256], "attn_k": [H, 128], "attn_v": [H, 128], "attn_output": [256, H],
        "ffn_gate": [H, FF], "ffn_up": [H, FF], "ffn_down": [FF, H],
        "attn_q_norm": [64], "attn_k_norm": [64], "attn_norm": [H], "ffn_norm": [H],
    }  # fmt: skip
    for index in range(LAYERS):
        for name, shape in shapes.items():
            kind = "Q4_K" if len(shape) > 1 else "F32"
            rows.append({"name": f"blk.{index}.{name}.weight", "type": kind, "shape": shape})
    return rows


def tensor_bytes() -> int:
    sizes = {"Q4_K": 144 / 256, "Q6_K": 210 / 256, "F32": 4}
    total = 0.0
    for row in tensors():
        elements = row["shape"][0] * (row["shape"][1] if len(row["shape"]) > 1 else 1)
        total += elements * sizes[row["type"]]
    return int(total)


def info() -> Json:
    return {
        "general.architecture": "qwen3", "general.file_type": 15, "general.parameter_count": 999,
        "qwen3.block_count": LAYERS, "qwen3.embedding_length": H, "qwen3.context_length": 40960,
        "qwen3.feed_forward_length": FF, "qwen3.attention.head_count": 4,
        "qwen3.attention.head_count_kv": 2, "qwen3.attention.key_length": 64,
        "qwen3.rope.freq_base": 1e6, "tokenizer.ggml.tokens": None, "tokenizer.ggml.merges": None,
    }  # fmt: skip


def show() -> Json:
    return {
        "details": {"format": "gguf", "family": "qwen3", "quantization_level": "Q4_K_M"},
        "model_info": info(),
        "tensors": tensors(),
        "capabilities": ["completion", "tools", "thinking"],
    }


class StandIn:
    """What the server answers; a test changes it."""

    def __init__(self) -> None:
        self.tags: Any = {
            "models": [
                {"name": "qwen3:8b", "model": "qwen3:8b", "size": 5_200_000, "digest": "ab12",
                 "details": {"quantization_level": "Q4_K_M"}},
                {"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 1000},
            ]
        }  # fmt: skip
        self.show: Any = show()
        self.answers: dict[str, bytes | int] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.waiting: threading.Event | None = None
        self.endpoint = ""

    def reply(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        self.asked.append((method, path, body))
        if self.waiting is not None:
            self.waiting.wait(10)
        raw = self.answers.get(path)
        if isinstance(raw, int):
            return raw, b"{}"
        if raw is not None:
            return 200, raw
        shown = self.show(body) if path == "/api/show" and callable(self.show) else self.show
        known = {
            ("GET", "/api/version"): {"version": "0.13.0"},
            ("GET", "/api/tags"): self.tags,
            ("POST", "/api/show"): None if callable(shown) else shown,
        }.get((method, path))
        return (404, b"{}") if known is None else (200, json.dumps(known).encode())


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer("GET", None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.answer("POST", json.loads(self.rfile.read(length)))

        def answer(self, method: str, body: Any) -> None:
            status, content = stand_in.reply(method, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield stand_in
    if stand_in.waiting is not None:
        stand_in.waiting.set()
    server.shutdown()
    server.server_close()
    thread.join()


Make = Callable[..., OllamaProvider]


@pytest.fixture
async def make(ollama: StandIn) -> AsyncIterator[Make]:
    made: list[OllamaProvider] = []

    def maker(**settings: object) -> OllamaProvider:
        given = {"endpoint": ollama.endpoint, **settings}
        made.append(construct(OllamaProvider, given, name="ollama"))
        return made[-1]

    yield maker
    for provider in made:
        await provider.aclose()


async def spec_of(provider: OllamaProvider, query: str) -> ModelSpec:
    (ref,) = await provider.find(FindModel(query=query))
    spec = await provider.spec(ref)
    assert spec is not None
    assert spec.id == ref.id
    return spec


class TestContract(ModelProviderContract):
    known_query = "ollama:qwen3:8b"
    has_candidates = False
    has_files = True

    @pytest.fixture
    def provider(self, make: Make) -> OllamaProvider:
        return make()


@pytest.mark.parametrize(
    "query", ["ollama:qwen3:8b", "OLLAMA:Qwen3:8B", "ollama:registry.ollama.ai/library/qwen3:8b"]
)
async def test_an_installed_model_is_told_by_its_tensors(make: Make, query: str):
    spec = await spec_of(make(), query)
    assert spec.id == "ollama:qwen3:8b"
    assert (spec.layers, spec.hidden_size, spec.vocab_size) == (LAYERS, H, V)
    assert spec.max_context_tokens == 40960
    assert spec.native is not None
    assert (spec.native.format, spec.native.container) == ("Q4_K_M", "gguf")
    assert spec.stored_bytes == 5_200_000
    assert spec.tool_use is True
    assert spec.confidence == "exact"
    assert weigh(spec, "native", "llama.cpp").language == tensor_bytes()


async def test_nothing_is_asked_but_to_read(ollama: StandIn, make: Make):
    provider = make()
    assert await provider.available() is None
    await spec_of(provider, "ollama:qwen3:8b")
    assert {path for _, path, _ in ollama.asked} == {"/api/version", "/api/tags", "/api/show"}


@pytest.mark.parametrize("query", ["qwen3:8b", "llama 3.1 8b", "./a.gguf", "a/b:Q4_K_M"])
async def test_other_queries_cause_no_request(ollama: StandIn, make: Make, query: str):
    assert await make().find(FindModel(query=query)) == ()
    assert ollama.asked == []


async def test_an_unknown_tag_names_what_is_installed(make: Make):
    with pytest.raises(ModelNotFound) as caught:
        await make().find(FindModel(query="ollama:qwen3:32b"))
    assert caught.value.suggestions[0] == "ollama:qwen3:8b"
    assert "ollama:llama3.2:latest" in caught.value.suggestions


async def test_a_tag_left_out_means_latest(ollama: StandIn, make: Make):
    (ref,) = await make().find(FindModel(query="ollama:llama3.2"))
    assert ref.id == "ollama:llama3.2:latest"


async def test_without_tensors_the_cache_is_known_and_the_rest_is_said(ollama: StandIn, make: Make):
    ollama.show.pop("tensors")
    ollama.show["model_info"]["general.parameter_count"] = 8_000_000_000
    spec = await spec_of(make(), "ollama:qwen3:8b")
    assert spec.layers == LAYERS
    assert spec.parameters.total == 8_000_000_000
    assert spec.confidence == "reported"
    assert "extra_parameters" in {gap.field for gap in spec.unknown}


async def test_layers_of_another_kind_are_not_guessed_without_tensors(ollama: StandIn, make: Make):
    ollama.show.pop("tensors")
    ollama.show["model_info"]["qwen3.ssm.inner_size"] = 64
    spec = await spec_of(make(), "ollama:qwen3:8b")
    assert not spec.layout
    assert spec.stated_layers == LAYERS
    assert "blocks" in {gap.field for gap in spec.unknown}


async def test_numbers_by_layer_are_asked_for_where_they_were_left_out(ollama: StandIn, make: Make):
    def answer(body: Json) -> Json:
        found = show()
        found["model_info"]["qwen3.attention.head_count_kv"] = [2, 2] if body["verbose"] else []
        return found

    ollama.show = answer
    assert (await spec_of(make(), "ollama:qwen3:8b")).layers == LAYERS
    assert [body["verbose"] for _, path, body in ollama.asked if path == "/api/show"] == [
        False, True,
    ]  # fmt: skip


async def test_a_model_that_runs_elsewhere_is_refused(ollama: StandIn, make: Make):
    ollama.show["remote_host"] = "https://ollama.com"
    with pytest.raises(UnsupportedArchitecture):
        await spec_of(make(), "ollama:qwen3:8b")


@pytest.mark.parametrize("path", ["/api/tags", "/api/show"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, 500])
async def test_an_answer_that_makes_no_sense_is_a_failure_of_the_provider(
    ollama: StandIn, make: Make, path: str, content: bytes | int
):
    ollama.answers[path] = content
    with pytest.raises(ProviderFailed):
        await spec_of(make(), "ollama:qwen3:8b")


@pytest.mark.parametrize(
    "changed",
    [
        {"model_info": None, "tensors": None},
        {"model_info": {"general.architecture": 7}, "tensors": [1, None, {"name": "x"}]},
        {"model_info": {**info(), "qwen3.block_count": 10**9}},
        {"model_info": {**info(), "qwen3.block_count": -1}, "tensors": []},
        {"model_info": {**info(), "qwen3.attention.head_count": 10**30}, "tensors": []},
        {"details": [], "capabilities": "all"},
        {"tensors": [{"name": "token_embd.weight", "type": "Q4_K", "shape": [2**60, 2**60]}]},
    ],
)
async def test_strange_facts_are_unknown_not_a_crash(ollama: StandIn, make: Make, changed: Json):
    ollama.show.update(changed)
    spec = await spec_of(make(), "ollama:qwen3:8b")
    assert spec.stored_bytes == 5_200_000


@pytest.fixture
def nobody() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_an_ollama_that_does_not_run_is_a_fact(make: Make, nobody: str):
    assert await make(endpoint=nobody).available() == f"no ollama answers at {nobody}"


async def test_an_ollama_that_hangs_is_given_up(ollama: StandIn, make: Make):
    ollama.waiting = threading.Event()
    with anyio.fail_after(5), pytest.raises(ProviderTimeout):
        await make(timeout=0.2).find(FindModel(query="ollama:qwen3:8b"))


async def test_another_machine_is_asked_only_if_configured(
    monkeypatch: pytest.MonkeyPatch, ollama: StandIn
):
    monkeypatch.setenv("OLLAMA_HOST", "http://gpu-server:11434")
    reason = await construct(OllamaProvider, name="ollama").available()
    assert reason is not None
    assert "[providers.ollama]" in reason


@pytest.mark.parametrize(
    ("stated", "endpoint"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        (":1234", "http://127.0.0.1:1234"),
        ("localhost:1", "http://localhost:1"),
        ("https://host", "https://host:443"),
        ("http://host", "http://host:80"),
        ("[::1]:5", "http://[::1]:5"),
        ("host:port", "http://127.0.0.1:11434"),
    ],
)
def test_the_variable_is_read_as_ollama_reads_it(stated: str, endpoint: str):
    assert endpoint_of({"OLLAMA_HOST": stated}) == endpoint


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:1", True), ("http://[::1]:1", True), ("http://localhost", True),
        ("http://127.evil.com:1", False), ("http://10.0.0.1", False), ("http://0.0.0.0", False),
    ],
)  # fmt: skip
def test_loopback_is_told_by_the_form_of_the_address(endpoint: str, expected: bool):
    assert is_loopback(endpoint) is expected


async def test_estimate_vram_works_for_a_tag(ollama: StandIn):
    config = Config.model_validate({"providers": {"ollama": {"endpoint": ollama.endpoint}}})
    async with open_toolbox(config) as tools:
        answer = await tools.estimate_vram(model="ollama:qwen3:8b", accelerators="RTX 4090")
        described = await tools.describe_model(model="ollama:qwen3:8b")
        resolved = await resolve_model(tools.registry.session(), "ollama:qwen3:8b")
        with pytest.raises(ModelNotFound) as caught:
            await tools.estimate_vram(model="ollama:none", accelerators="RTX 4090")
    assert answer.model.id == "ollama:qwen3:8b"
    assert described.source == resolved.provider == "ollama"
    assert "ollama:qwen3:8b" in caught.value.suggestions


async def test_a_tool_says_that_ollama_does_not_run(nobody: str):
    config = Config.model_validate({"providers": {"ollama": {"endpoint": nobody}}})
    async with open_toolbox(config) as tools:
        with pytest.raises(ModelNotFound) as caught:
            await tools.estimate_vram(model="ollama:qwen3:8b")
        other = await tools.estimate_vram(model="llama 3.1 8b", accelerators="RTX 4090")
    assert "no ollama answers at" in caught.value.message
    assert "hub" not in caught.value.message
    assert not any(report.name in ("ollama", "local") for report in other.providers)
