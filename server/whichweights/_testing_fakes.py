"""Providers that answer from class attributes. Subclass one to change what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

from whichweights._registry_threads import ThreadJob
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.api_models import ApiModel, TokenPrices
from whichweights_schemas.attention import FullAttention
from whichweights_schemas.evidence import Evidence
from whichweights_schemas.languages import (
    DevicePrice,
    LanguageEvidence,
    LanguageScore,
    ModelScore,
    ScoreEvidence,
)
from whichweights_schemas.models import (
    Block,
    DenseFeedForward,
    ModelFile,
    ModelRef,
    ModelRelative,
    ModelSpec,
    ParameterCounts,
)
from whichweights_schemas.providers import (
    AcceleratorCatalogue,
    AnyProvider,
    ApiModelProvider,
    GpuProvider,
    LanguageProvider,
    ModelProvider,
    NoSettings,
    PriceProvider,
    ProviderContext,
    ScoreProvider,
    TokenizerProvider,
)
from whichweights_schemas.requests import (
    CandidateFilter,
    FindApiModel,
    FindModel,
    LanguageQuestion,
    LookupAccelerator,
    ModelQuestion,
    PriceQuestion,
    ScoreQuestion,
    TokenizerRequest,
)
from whichweights_schemas.tokenizing import Tokenizer, TokenizerIdentity

ProviderT = TypeVar("ProviderT", bound=AnyProvider)
T = TypeVar("T")

GIB = 2**30
FAKE_DATE = "2026-01-01"
FAKE_SOURCE = "whichweights.testing"


def _evidence(*fields: str) -> Evidence:
    return Evidence(fields=fields, basis="published", source=FAKE_SOURCE, date=FAKE_DATE)


def construct(
    provider_class: type[ProviderT],
    settings: Mapping[str, object] | None = None,
    *,
    name: str = "under-test",
) -> ProviderT:
    """A provider as the registry would make it, its settings validated by its own model.

    Raises pydantic.ValidationError for settings the provider refuses.
    """
    context: ProviderContext[Any] = ProviderContext(
        name=name,
        settings=provider_class.settings_model.model_validate(settings or {}),
        run_blocking=_run_blocking,
    )
    return provider_class(context)


async def _run_blocking(function: Callable[..., T], /, *args: Any) -> T:
    job: ThreadJob[T] = ThreadJob(partial(function, *args), name="whichweights testing")
    job.start()
    return await job.wait()


def fake_model(id: str = "fake/Fake-1B", *, layers: int = 4) -> ModelSpec:
    """A small dense model whose every figure is invented."""
    attention = FullAttention(query_heads=8, kv_heads=2, head_dim=64)
    block = Block(attention=attention, feed_forward=DenseFeedForward(width=2048))
    return ModelSpec(
        id=id,
        display_name=id.rpartition("/")[2].replace("-", " "),
        kind="instruct",
        parameters=ParameterCounts(total=1_000_000_000, total_basis="published"),
        hidden_size=512,
        vocab_size=32_000,
        tied_embeddings=True,
        blocks=(block,),
        layout=(0,) * layers,
        max_context_tokens=8192,
        evidence=(_evidence("parameters", "blocks"),),
    )


class FakeModels(ModelProvider[NoSettings]):
    """Knows the models of `models`, by id (any case)."""

    models: ClassVar[Sequence[ModelSpec]] = (fake_model(),)
    repository_files: ClassVar[Sequence[ModelFile]] = ()
    known_relatives: ClassVar[Sequence[ModelRelative]] = ()

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        wanted = request.query.casefold()
        found: list[ModelRef] = []
        for model in self.models:
            if model.id.casefold() == wanted:
                found.append(ModelRef(id=model.id, provider=self.name, match="id"))
            elif model.display_name.casefold() == wanted:
                found.append(ModelRef(id=model.id, provider=self.name, match="alias"))
        return found[: request.limit]

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        return next((model for model in self.models if model.id == ref.id), None)

    async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
        for model in self.models:
            yield (model,)

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        return self.repository_files

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        return self.known_relatives


class FakeApiModels(ApiModelProvider[NoSettings]):
    """Knows the hosted models of `models`, by id."""

    models: ClassVar[Sequence[ApiModel]] = (
        ApiModel(
            id="fake-api-1",
            vendor="Fake",
            first_party=True,
            context_tokens=128_000,
            prices=TokenPrices(
                input_usd_per_mtok=1.0,
                output_usd_per_mtok=4.0,
                date=FAKE_DATE,
                source=FAKE_SOURCE,
            ),
            evidence=(_evidence("context_tokens"),),
        ),
    )

    async def find(self, request: FindApiModel) -> Sequence[ApiModel]:
        wanted = request.query.casefold()
        found = [
            model
            for model in self.models
            if model.id.casefold() == wanted or (not wanted and model.first_party)
        ]
        return found[: request.limit]


class FakeTokenizer(Tokenizer):
    """One token a byte of UTF-8."""

    identity = TokenizerIdentity(
        name="bytes", source=FAKE_SOURCE, vocabulary_size=256, evidence=_evidence("tokens")
    )

    def count(self, text: str) -> int:
        return len(text.encode("utf-8"))

    def encode(self, text: str) -> Sequence[int]:
        return tuple(text.encode("utf-8"))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < 256:
            raise KeyError(token)
        return bytes([token])


class FakeTokenizers(TokenizerProvider[NoSettings]):
    """Has a byte tokenizer for each of `tokenizer_names`."""

    tokenizer_names: ClassVar[Sequence[str]] = ("bytes", "fake/Fake-1B")

    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        name = request.model.id if request.model else request.name
        return FakeTokenizer() if name in self.tokenizer_names else None

    async def known_names(self) -> Sequence[str]:
        return self.tokenizer_names


FAKE_DEVICE = Accelerator(
    name="Fake 24GB",
    vendor="Fake",
    uuid="GPU-fake-0",
    index=0,
    total_bytes=24 * GIB,
    total_basis="exact",
    free_bytes=20 * GIB,
    used_bytes=4 * GIB,
    memory_bandwidth_bytes_per_second=1e12,
    evidence=(_evidence("total_bytes", "memory_bandwidth_bytes_per_second"),),
)


class FakeGpu(GpuProvider[NoSettings]):
    """Reads `reading`; `absent` is the sentence of a machine without such a driver."""

    reading: ClassVar[DeviceReading] = DeviceReading(accelerators=(FAKE_DEVICE,))
    absent: ClassVar[str | None] = None

    async def available(self) -> str | None:
        return self.absent

    async def accelerators(self) -> DeviceReading:
        return self.reading


class FakeAccelerators(AcceleratorCatalogue[NoSettings]):
    """Knows the devices of `devices`, by name or alias (any case)."""

    devices: ClassVar[Sequence[Accelerator]] = (
        FAKE_DEVICE.model_copy(
            update={"uuid": None, "index": None, "free_bytes": 24 * GIB, "used_bytes": None}
        ),
    )

    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        wanted = request.name.casefold()
        return [
            device
            for device in self.devices
            if wanted in (name.casefold() for name in (device.name, *device.aliases))
        ]

    async def names(self) -> Sequence[str]:
        return [device.name for device in self.devices]


class FakeLanguages(LanguageProvider[NoSettings]):
    """Has one score for each language of `scores`, whatever the model."""

    scores: ClassVar[Mapping[str, float]] = {"de": 80.0}

    async def evidence(self, request: LanguageQuestion) -> LanguageEvidence:
        score = self.scores.get(request.language)
        if score is None:
            return LanguageEvidence()
        row = LanguageScore(
            language=request.language,
            normalized=score,
            datasets=1,
            tasks=1,
            sources=(FAKE_SOURCE,),
            measured_model=request.model.id,
            evidence=_evidence("normalized"),
        )
        return LanguageEvidence(scores=(row,))


class FakeScores(ScoreProvider[NoSettings]):
    """Has one score for each skill of `scores`, whatever the model."""

    scores: ClassVar[Mapping[str, float]] = {"coding": 50.0}

    async def evidence(self, request: ScoreQuestion) -> ScoreEvidence:
        rows = [
            ModelScore(
                skill=skill,
                benchmark="fake-bench",
                score=score,
                measured_model=request.model.id,
                evidence=_evidence("score"),
            )
            for skill, score in self.scores.items()
            if request.skill in ("", skill)
        ]
        return ScoreEvidence(scores=tuple(rows))


class FakePrices(PriceProvider[NoSettings]):
    """Knows prices by name: `usd_per_hour` of devices, `tokens` of hosted models."""

    usd_per_hour: ClassVar[Mapping[str, float]] = {"Fake 24GB": 0.5}
    tokens: ClassVar[Mapping[str, TokenPrices]] = {
        "fake-api-1": TokenPrices(
            input_usd_per_mtok=1.0, output_usd_per_mtok=4.0, date=FAKE_DATE, source=FAKE_SOURCE
        )
    }

    async def device_price(self, request: PriceQuestion) -> DevicePrice | None:
        price = self.usd_per_hour.get(request.device or "")
        if price is None:
            return None
        return DevicePrice(
            name=cast("str", request.device),
            usd_per_hour=price,
            date=FAKE_DATE,
            source=FAKE_SOURCE,
        )

    async def token_prices(self, request: PriceQuestion) -> TokenPrices | None:
        return self.tokens.get(request.api_model or "")
