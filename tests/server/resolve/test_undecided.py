"""A provider that is late or fails leaves a question undecided: the name is not unknown by that."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Never

import anyio
import pytest

from whichweights.registry import Registry, RegistrySettings
from whichweights.testing import (
    FakeAccelerators,
    FakeApiModels,
    FakeGpu,
    FakeLanguages,
    FakeModels,
    FakeTokenizers,
)
from whichweights.toolbox import Toolbox
from whichweights.tools import tool_specs
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.errors import (
    ModelNotFound,
    ProviderFailed,
    ProviderTimeout,
    UnknownAccelerator,
    UpstreamError,
)
from whichweights_schemas.providers import AnyProvider
from whichweights_schemas.requests import LookupAccelerator

SHORT_SECONDS = 0.1


async def hang(*_: object) -> Never:
    await anyio.sleep_forever()
    raise AssertionError


async def fail(*_: object) -> Never:
    raise OSError("the table is damaged")


WAYS = [(hang, ProviderTimeout, "no answer within"), (fail, ProviderFailed, "table is damaged")]
ways = pytest.mark.parametrize(("way", "error", "why"), WAYS)
Way = Callable[..., Any]


def toolbox(*providers: type[AnyProvider]) -> Toolbox:
    registry = Registry(RegistrySettings(provider_seconds=SHORT_SECONDS), entry_points=())
    for place, provider in enumerate(providers):
        registry.add(f"p{place}", provider)
    return Toolbox(registry, tool_specs())


def broken(base: type[AnyProvider], way: Callable[..., object], *methods: str) -> type[AnyProvider]:
    return type(
        f"Broken{base.__name__}", (base,), {**dict.fromkeys(methods, way), "__module__": ""}
    )


@ways
async def test_a_device_is_not_unknown_while_a_catalogue_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    tools = toolbox(FakeModels, broken(FakeAccelerators, way, "lookup", "names"))
    with pytest.raises(error, match=why) as caught:
        await tools.estimate_vram(model="fake/Fake-1B", accelerators="RTX 4090")
    assert caught.value.field == "accelerators"
    assert caught.value.hint


async def test_what_other_tables_have_is_still_suggested():
    tools = toolbox(FakeAccelerators, broken(FakeAccelerators, hang, "lookup", "names"))
    with pytest.raises(ProviderTimeout) as caught:
        await tools.gpu_status(accelerators="Fake 22GB")
    assert caught.value.suggestions == ("Fake 24GB",)


async def test_a_device_that_another_catalogue_knows_is_answered():
    tools = toolbox(broken(FakeAccelerators, hang, "lookup"), FakeAccelerators)
    answer = await tools.gpu_status(accelerators="Fake 24GB")
    assert [device.name for device in answer.devices] == ["Fake 24GB"]


async def test_a_catalogue_still_busy_with_an_earlier_call_leaves_the_name_undecided():
    release = threading.Event()

    class Stuck(FakeAccelerators):
        async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
            await self.run_blocking(release.wait)
            return ()

    tools = toolbox(Stuck)
    try:
        for why in ("no answer within", "still busy"):
            with pytest.raises(ProviderTimeout, match=why):
                await tools.gpu_status(accelerators="Fake 24GB")
    finally:
        release.set()


async def test_a_catalogue_that_says_it_cannot_work_here_leaves_the_name_unknown():
    class Absent(FakeAccelerators):
        async def available(self) -> str | None:
            return "no licence on this machine"

    with pytest.raises(UnknownAccelerator):
        await toolbox(FakeAccelerators, Absent).gpu_status(accelerators="RTX 9999")


@ways
async def test_a_model_is_not_unknown_while_the_catalogue_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    with pytest.raises(error, match=why) as caught:
        await toolbox(broken(FakeModels, way, "find")).describe_model(model="fake 1b")
    assert caught.value.field == "model"


@ways
async def test_a_model_is_not_unknown_while_the_hosted_models_cannot_be_listed(
    way: Way, error: type[UpstreamError], why: str
):
    tools = toolbox(FakeModels, broken(FakeApiModels, way, "find"))
    with pytest.raises(error, match=why):
        await tools.estimate_vram(model="claude sonnet", accelerators="24GiB")


@ways
async def test_a_model_that_was_found_is_not_unknown_when_its_facts_are_late(
    way: Way, error: type[UpstreamError], why: str
):
    with pytest.raises(error, match=why):
        await toolbox(broken(FakeModels, way, "spec")).describe_model(model="fake/Fake-1B")


async def test_a_model_nobody_knows_is_unknown_where_all_answered():
    with pytest.raises(ModelNotFound):
        await toolbox(FakeModels, FakeApiModels).describe_model(model="no such thing")


@ways
async def test_a_tokenizer_is_not_missing_while_its_provider_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    tools = toolbox(FakeModels, broken(FakeTokenizers, way, "tokenizer"))
    with pytest.raises(error, match=why):
        await tools.count_tokens(models="fake/Fake-1B", text="hello")


@ways
async def test_a_language_is_not_unmeasured_while_its_provider_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    tools = toolbox(FakeModels, broken(FakeLanguages, way, "evidence"))
    with pytest.raises(error, match=why):
        await tools.check_language_coverage(model="fake/Fake-1B", languages="de")


@ways
async def test_there_is_no_empty_recommendation_while_the_catalogue_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    async def stream(*_: object):
        await way()
        yield ()

    tools = toolbox(broken(FakeModels, stream, "candidates"))
    with pytest.raises(error, match=why):
        await tools.recommend_model(task="chat", accelerators="24GiB")


@ways
async def test_hosted_models_that_cannot_be_listed_are_not_none(
    way: Way, error: type[UpstreamError], why: str
):
    tools = toolbox(FakeModels, broken(FakeApiModels, way, "find"))
    with pytest.raises(error, match=why):
        await tools.recommend_model(task="chat", deployment="api")


@ways
async def test_a_machine_is_not_without_gpu_because_its_driver_is_silent(
    way: Way, error: type[UpstreamError], why: str
):
    answer = await toolbox(broken(FakeGpu, way, "accelerators")).gpu_status()
    (note,) = [warning for warning in answer.warnings if "GPU" in warning]
    assert "not known" in note
    assert why in note
