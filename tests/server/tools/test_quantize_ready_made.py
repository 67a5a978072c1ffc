"""quantize_plan with providers that know published copies, and with none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from whichweights import open_toolbox
from whichweights.testing import FakeModels
from whichweights.toolbox import Toolbox
from whichweights_schemas.errors import Offline
from whichweights_schemas.models import ModelFile, ModelRelative
from whichweights_schemas.requests import ModelQuestion

LLAMA = "llama 3.1 8b"
LLAMA_ID = "meta-llama/Llama-3.1-8B-Instruct"
COPIES = (
    ModelRelative(
        id="someone/Llama-3.1-8B-Instruct-GGUF",
        relation="quantized",
        publisher="someone",
        downloads=123_456,
    ),
    ModelRelative(id="team/Llama-3.1-8B-Instruct-FP8", relation="quantized", downloads=5),
)
SIZES = {
    "someone/Llama-3.1-8B-Instruct-GGUF": (
        ModelFile(path="Llama-3.1-8B-Instruct-IQ4_XS.gguf", size_bytes=4_447_666_000),
        ModelFile(path="Llama-3.1-8B-Instruct-Q4_K_M.gguf", size_bytes=4_920_739_168),
    ),
    "team/Llama-3.1-8B-Instruct-FP8": (
        ModelFile(path="model-00001-of-00002.safetensors", size_bytes=5_000_000_000),
        ModelFile(path="model-00002-of-00002.safetensors", size_bytes=4_080_000_000),
    ),
}


class Hub(FakeModels):
    """Knows copies of one model, and their files; not the model itself."""

    models = ()

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        return COPIES if request.ref.id == LLAMA_ID else ()

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        return SIZES[request.ref.id]


class OfflineHub(FakeModels):
    """Cannot be reached."""

    models = ()

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        raise Offline("the Hub is not reachable", hint="go online")


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with open_toolbox() as tools:
        yield tools


async def test_a_published_file_comes_before_making_one(toolbox: Toolbox):
    toolbox.registry.add("hub-of-test", Hub)
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="RTX 4090")
    first = result.plans[0]
    assert first.format == "IQ4_XS"
    (copy,) = first.ready_made
    assert copy.repo == "someone/Llama-3.1-8B-Instruct-GGUF"
    assert copy.file == "Llama-3.1-8B-Instruct-IQ4_XS.gguf"
    assert (copy.publisher, copy.downloads, copy.imatrix) == ("someone", 123_456, None)
    assert copy.size_gib == round(4_447_666_000 / 2**30, 3)
    assert first.commands == (f"hf download {copy.repo} {copy.file} --local-dir .",)
    assert first.verify == (f"ls -l {copy.file}  # 4,447,666,000 bytes",)
    assert any("plans.ready_made" in entry.fields for entry in result.evidence)
    answer = await toolbox.call("quantize_plan", {"model": LLAMA, "accelerators": "RTX 4090"})
    assert f"Ready-made, 4.1 GiB: `{first.commands[0]}`" in answer.text


async def test_a_published_checkpoint_is_one_download(toolbox: Toolbox):
    toolbox.registry.add("hub-of-test", Hub)
    result = await toolbox.quantize_plan(model=LLAMA, tag="FP8", accelerators="H100 80GB")
    (plan,) = result.plans
    (copy,) = plan.ready_made
    assert (copy.file, copy.size_gib) == (None, round(9_080_000_000 / 2**30, 3))
    name = "Llama-3.1-8B-Instruct-FP8"
    assert plan.commands == (f"hf download team/{name} --local-dir {name}",)


async def test_a_format_nobody_published_is_to_be_made(toolbox: Toolbox):
    toolbox.registry.add("hub-of-test", Hub)
    result = await toolbox.quantize_plan(model=LLAMA, tag="Q6_K", accelerators="RTX 4090")
    assert result.plans[0].ready_made == ()
    assert result.plans[0].commands[-1].startswith("llama-quantize")
    assert len(result.steps) == len(result.plans[0].commands)
    (gap,) = [gap for gap in result.unknown if gap.field == "plans.ready_made"]
    assert gap.reason == "none of 2 quantized copies found is in this format"


@pytest.mark.parametrize("offline", [True, False])
async def test_without_the_hub_the_reason_is_given_and_the_commands_stand(
    toolbox: Toolbox, offline: bool
):
    if offline:
        toolbox.registry.add("hub-of-test", OfflineHub)
    result = await toolbox.quantize_plan(model=LLAMA, accelerators="RTX 4090")
    assert result.plans[0].ready_made == ()
    assert result.plans[0].commands
    (gap,) = [gap for gap in result.unknown if gap.field == "plans.ready_made"]
    assert gap.reason == "no provider lists quantized copies"
    reports = {report.name: report.status for report in result.providers}
    assert reports.get("hub-of-test") == ("unavailable" if offline else None)


class GgufOfAMaker(FakeModels):
    """Knows the GGUF copy of a model that its maker stores in MXFP4."""

    models = ()
    repo = "ggml-org/gpt-oss-120b-GGUF"

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        return (ModelRelative(id=self.repo, relation="quantized", downloads=9),)

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        return tuple(
            ModelFile(path=f"gpt-oss-120b-mxfp4-0000{n}-of-00003.gguf", size_bytes=21_000_000_000)
            for n in (1, 2, 3)
        )


async def test_a_makers_own_format_is_found_ready_made_as_gguf(toolbox: Toolbox):
    toolbox.registry.add("hub-of-test", GgufOfAMaker)
    result = await toolbox.quantize_plan(model="openai/gpt-oss-120b", accelerators="GB10")
    first = result.plans[0]
    assert (first.format, first.engine) == ("MXFP4", "llama.cpp")
    (copy,) = first.ready_made
    assert copy.size_gib == round(63_000_000_000 / 2**30, 3)
    assert first.commands[0].startswith(f'hf download {copy.repo} --include "gpt-oss-120b-mxfp4-*')
