"""When the Hub or the way to it misbehaves: a typed error in time, and nothing wrong remembered."""

import json
import socket

import anyio
import pytest
from invented import dense
from local_hub import Fault, LocalHub, MakeProvider

from whichweights_plugins.hub.provider import HubProvider
from whichweights_schemas.errors import Offline, ProviderFailed, ProviderTimeout, UpstreamError
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.requests import FindModel, ModelQuestion

ID = "inventors/Thing-1B"
REF = ModelRef(id=ID, provider="hub", match="id")
BROKEN: list[Fault] = [
    Fault("/api/models", 500),
    Fault("/api/models", 502, body=b"<html>bad gateway</html>"),
    Fault("/api/models", 429, {"RateLimit": '"api";r=0;t=55'}),
    Fault("/api/models", 200, body=b'{"id": "inventors/Th'),
    Fault("/api/models", 200, body=b'["not", "a", "repository"]'),
    Fault("/api/models", 200, body=b'{"login": "please"}'),
    Fault("/api/models", 200, body=b"[" * 200_000),
    Fault("/api/models", 200, body=b'{"id": "inventors/Thing-1B"', kind="truncate"),
    Fault("/api/models", 302, {"Location": "file:///etc/passwd"}),
    Fault("/api/models", 302, {"Location": "/api/models/inventors/Thing-1B"}),
    Fault("/api/models", 304),
]


async def spec_of(provider: HubProvider) -> ModelSpec:
    spec = await provider.spec(REF)
    assert spec is not None
    return spec


def why_no_shape(spec: ModelSpec) -> str:
    return next(entry.reason for entry in spec.unknown if entry.field == "blocks")


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: f"{fault.status}-{fault.body[:12]!r}")
async def test_a_broken_answer_is_an_upstream_error_and_is_forgotten(
    hub: LocalHub, make: MakeProvider, fault: Fault
):
    hub.add(dense().repo(ID))
    fault.times = 10
    hub.faults.append(fault)
    provider = make(timeout=2)
    with anyio.fail_after(5), pytest.raises(UpstreamError) as caught:
        await provider.find(FindModel(query=ID))
    assert (
        caught.value.hint or "JSON" in caught.value.message or "redirects" in caught.value.message
    )
    hub.faults.clear()
    assert (await spec_of(make())).layers == 4


async def test_a_hub_that_hangs_is_given_up_in_time(hub: LocalHub, make: MakeProvider):
    hub.faults.append(Fault("/api/models", kind="hang"))
    with anyio.fail_after(5), pytest.raises(ProviderTimeout):
        await make(timeout=0.3).find(FindModel(query=ID))


async def test_a_config_that_does_not_come_in_time_leaves_a_partial_answer(
    hub: LocalHub, make: MakeProvider
):
    model = dense()
    hub.add(model.repo(ID))
    hub.faults.append(Fault("config.json", kind="hang"))
    with anyio.fail_after(15):
        spec = await spec_of(make(timeout=3))
    assert spec.parameters.total == model.parameters
    assert spec.stored_bytes is not None
    assert "did not answer within" in why_no_shape(spec)


@pytest.mark.parametrize("body", [b"{", b"[1, 2]", b"{}", b"\xff\xfe", b'"text"'])
async def test_a_malformed_config_leaves_a_partial_answer_and_is_forgotten(
    hub: LocalHub, make: MakeProvider, body: bytes
):
    hub.add(dense().repo(ID))
    hub.faults.append(Fault("config.json", body=body, headers={"ETag": '"1"'}, times=1))
    assert "JSON" in why_no_shape(await spec_of(make()))
    assert (await spec_of(make())).layers == 4


async def test_a_passing_failure_is_tried_again(hub: LocalHub, provider: HubProvider):
    hub.add(dense().repo(ID))
    hub.faults += [
        Fault("/api/models", 503, {"Retry-After": "0"}, times=1),
        Fault("config.json", 429, {"RateLimit": '"resolvers";r=0;t=0'}, times=1),
    ]
    assert (await spec_of(provider)).layers == 4
    assert [entry.status for entry in hub.log] == [503, 200, 429, 200]


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun(
    hub: LocalHub, provider: HubProvider
):
    hub.add(dense().repo(ID))
    hub.faults.append(Fault("/api/models", 429, {"RateLimit": '"api";r=0;t=55'}))
    with anyio.fail_after(10):
        for _ in range(3):
            with pytest.raises(ProviderFailed, match="rate of requests"):
                await provider.find(FindModel(query=ID))
    assert len(hub.log) == 1  # nor is a Hub that asked for patience asked again


async def test_a_hub_out_of_reach_is_left_alone_for_a_while(hub: LocalHub, make: MakeProvider):
    hub.faults.append(Fault("/api/models", kind="hang"))
    patient = make(timeout=0.3)
    with pytest.raises(ProviderTimeout):
        await patient.find(FindModel(query=ID))
    asked = len(hub.log)
    with pytest.raises(Offline, match="out of reach"):
        await patient.find(FindModel(query=ID))
    assert len(hub.log) == asked
    eager = make(timeout=0.3, pause_seconds=0)
    for _ in range(2):
        with pytest.raises(ProviderTimeout):
            await eager.find(FindModel(query=ID))


async def test_an_answer_without_end_is_cut(hub: LocalHub, provider: HubProvider):
    huge = json.dumps({"id": ID, "padding": "x" * 9_000_000}).encode()
    hub.faults.append(Fault("/api/models", body=huge))
    with pytest.raises(ProviderFailed, match="larger than"):
        await provider.find(FindModel(query=ID))


async def test_a_refused_connection_is_said(make: MakeProvider):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with anyio.fail_after(5), pytest.raises(Offline, match=r"cannot be reached .*Connect"):
        await make(endpoint=f"http://127.0.0.1:{port}").find(FindModel(query=ID))


async def test_what_is_not_there_is_no_error(hub: LocalHub, provider: HubProvider):
    assert await provider.find(FindModel(query="nobody/nothing")) == ()
    assert await provider.spec(ModelRef(id="nobody/nothing", provider="hub")) is None
    assert await provider.files(ModelQuestion(ref=REF)) == ()
    assert await provider.relatives(ModelQuestion(ref=REF)) == ()


@pytest.mark.parametrize("status", [401, 404])
async def test_a_mirrors_bare_status_means_not_found_and_is_not_remembered(
    hub: LocalHub, make: MakeProvider, status: int
):
    hub.add(dense().repo(ID))
    hub.faults.append(Fault("/api/models", status, times=1))
    assert await make().find(FindModel(query=ID)) == ()
    assert await make().find(FindModel(query=ID))


@pytest.mark.parametrize(
    "query",
    ["../../etc/passwd", "/etc/passwd", "./model", "~/model", "a/b/c", "ollama:llama3", "x" * 500,
     "owner/na me", "owner/../name", "model.gguf", "7", "", "owner/na\nme", "C:\\models\\x"],
)  # fmt: skip
async def test_what_cannot_be_a_name_of_the_hub_causes_no_request(
    hub: LocalHub, provider: HubProvider, query: str
):
    assert await provider.find(FindModel(query=query)) == ()
    assert hub.log == []


async def test_offline_causes_no_request_and_says_so(hub: LocalHub, make: MakeProvider):
    provider = make(offline=True)
    assert "offline" in (await provider.available() or "")
    with pytest.raises(Offline):
        await provider.find(FindModel(query=ID))
    assert hub.log == []
    assert (await provider.status())["mode"] == "offline"


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
async def test_the_environment_can_forbid_requests(
    hub: LocalHub, provider: HubProvider, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(Offline):
        await provider.find(FindModel(query=ID))
    assert hub.log == []


async def test_offline_what_was_read_before_still_answers_and_says_so(
    hub: LocalHub, make: MakeProvider
):
    hub.add(dense().repo(ID))
    online = await spec_of(make())
    before = len(hub.log)
    offline = make(offline=True)
    assert await offline.available() is None
    spec = await spec_of(offline)
    assert (spec.blocks, spec.parameters) == (online.blocks, online.parameters)
    assert len(hub.log) == before


async def test_a_remembered_answer_serves_when_the_hub_fails_and_tells_why(
    hub: LocalHub, make: MakeProvider
):
    hub.add(dense().repo(ID))
    await spec_of(make())
    hub.faults.append(Fault("/api/models", 500))
    spec = await spec_of(make(fresh_seconds=0, timeout=2))
    assert spec.layers == 4
    notes = [entry.note or "" for entry in spec.evidence]
    assert any("cached" in note and "500" in note for note in notes)


async def test_the_server_stays_responsive_while_the_hub_hangs(hub: LocalHub, make: MakeProvider):
    hub.faults.append(Fault("/api/models", kind="hang"))
    provider = make(timeout=0.5)
    turns = 0

    async def ask() -> None:
        with pytest.raises(ProviderTimeout):
            await provider.find(FindModel(query=ID))
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        while not group.cancel_scope.cancel_called:
            await anyio.lowlevel.checkpoint()
            turns += 1
    assert turns > 100  # a request that held the event loop would leave it none
