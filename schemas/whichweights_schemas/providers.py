"""The provider contract: one small abstract base class for each entry-point group.

A provider answers one kind of question. It is constructed once, with a `ProviderContext`, at first
use; its module should import nothing heavy before that. Methods are async; blocking libraries go
through `self.run_blocking`, which the registry implements with a thread and a limiter of this
provider's own. Raise an error of `whichweights_schemas.errors` to be understood; anything else is
reported as `provider_failed` under this provider's name, and the others still serve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from whichweights_schemas._base import Settings as Settings  # plugins derive theirs from it
from whichweights_schemas.evidence import ProviderKind

if TYPE_CHECKING:  # annotations only: a provider imports the shapes of its own kind
    from whichweights_schemas.accelerators import Accelerator, DeviceReading
    from whichweights_schemas.api_models import ApiModel, TokenPrices
    from whichweights_schemas.languages import (
        DevicePrice,
        LanguageEvidence,
        LanguageScore,
        ModelScore,
        ScoreEvidence,
    )
    from whichweights_schemas.models import ModelFile, ModelRef, ModelRelative, ModelSpec
    from whichweights_schemas.requests import (
        CandidateFilter,
        FindApiModel,
        FindModel,
        LanguageQuestion,
        LeadersQuestion,
        LookupAccelerator,
        ModelQuestion,
        PriceQuestion,
        RemoteCountRequest,
        ScoreQuestion,
        SkillTableQuestion,
        TokenizerRequest,
    )
    from whichweights_schemas.tokenizing import RemoteCount, Tokenizer

API_VERSION = 1
"""The contract these classes describe; the registry accepts it and the one before."""

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=Settings)


class RunBlocking(Protocol):
    """Runs a blocking function in a worker thread of the provider's own limiter."""

    async def __call__(self, function: Callable[..., T], /, *args: Any) -> T:
        """The function's result. Abandoned, not interrupted, when the deadline passes."""
        ...


class NoSettings(Settings):
    """The configuration section of a provider that has nothing to configure."""


@dataclass(frozen=True)
class ProviderContext(Generic[SettingsT]):
    """What the registry hands a provider: its name, its validated settings, a thread to block."""

    name: str
    settings: SettingsT
    run_blocking: RunBlocking


class Provider(ABC, Generic[SettingsT]):
    """Common to all kinds. `kind` is the entry-point group's last part."""

    api: ClassVar[int] = API_VERSION
    kind: ClassVar[ProviderKind]
    settings_model: ClassVar[type[Settings]] = NoSettings
    blocking_threads: ClassVar[int] = 1
    """How many `run_blocking` calls may run at once; 1 = the library needs no locks of its own."""

    def __init__(self, context: ProviderContext[SettingsT]) -> None:
        self.name = context.name
        self.settings = context.settings
        self.run_blocking = context.run_blocking

    async def available(self) -> str | None:
        """None when ready, else one sentence that says why not (a fact, not a defect)."""
        return None

    async def status(self) -> dict[str, str]:
        """Facts for `whichweights providers`: table dates, row counts, driver versions."""
        return {}

    async def warm(self) -> None:
        """Load now what would otherwise load at the first question."""
        return

    async def aclose(self) -> None:
        """Release what the provider holds (clients, handles); called once, when the server ends."""
        return


class ModelProvider(Provider[SettingsT]):
    """Architecture facts of models. Several providers: first match, missing fields filled."""

    kind: ClassVar[ProviderKind] = "models"
    last_resort: bool = False
    """Asked only for what no other provider knows, as it asks another machine."""

    def may_know(self, query: str) -> bool:
        """Whether a query or an id can be about a model of this provider, by its form alone.

        Where it cannot, the provider is passed over before it is asked whether it is available.
        """
        return True

    @abstractmethod
    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        """Models the query could mean, best first; empty when none."""

    @abstractmethod
    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        """The facts of one model; None when this provider does not know it."""

    async def candidates(self, request: CandidateFilter) -> AsyncIterator[Sequence[ModelSpec]]:
        """Batches of models worth considering for a recommendation."""
        for batch in ():
            yield batch

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        """Files of the repository with real sizes; empty when not known."""
        return ()

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        """Quantized, distilled, smaller and larger relatives."""
        return ()


class ApiModelProvider(Provider[SettingsT]):
    """Hosted models. Several providers: first match."""

    kind: ClassVar[ProviderKind] = "api_models"

    @abstractmethod
    async def find(self, request: FindApiModel) -> Sequence[ApiModel]:
        """Hosted models the query means; empty when none."""


class TokenizerProvider(Provider[SettingsT]):
    """Tokenizers. Several providers: the first that has the model's own one."""

    kind: ClassVar[ProviderKind] = "tokenizers"
    last_resort: bool = False
    """Asked only for what no other provider has, as it asks another machine."""

    @abstractmethod
    async def tokenizer(self, request: TokenizerRequest) -> Tokenizer | None:
        """The model's own tokenizer; None when this provider does not have it."""

    async def known_names(self) -> Sequence[str]:
        """Names that `tokenizer` answers, for suggestions."""
        return ()

    async def how_to_get(self, request: TokenizerRequest) -> str | None:
        """The one step that would put the model's tokenizer at hand; None when not known."""
        return None

    async def count_remotely(self, request: RemoteCountRequest) -> RemoteCount | None:
        """What the vendor's endpoint counts; None unless the operator configured this endpoint.

        The only place where the user's text leaves the machine.
        """
        return None


class GpuProvider(Provider[SettingsT]):
    """Live devices. Several providers: the union, one entry per UUID."""

    kind: ClassVar[ProviderKind] = "gpu"

    @abstractmethod
    async def accelerators(self) -> DeviceReading:
        """The devices of this machine as they are now. Never fails a device for one field."""


class AcceleratorCatalogue(Provider[SettingsT]):
    """What a device of a name is. Several providers: first match."""

    kind: ClassVar[ProviderKind] = "accelerators"

    @abstractmethod
    async def lookup(self, request: LookupAccelerator) -> Sequence[Accelerator]:
        """Devices the name fits, best first; several when only the memory could tell them apart."""

    async def names(self) -> Sequence[str]:
        """All device names, for suggestions and completions."""
        return ()


class LanguageProvider(Provider[SettingsT]):
    """Evidence about languages. Several providers: the union."""

    kind: ClassVar[ProviderKind] = "languages"

    @abstractmethod
    async def evidence(self, request: LanguageQuestion) -> LanguageEvidence:
        """Everything known of this model in this language."""

    async def leaders(self, request: LeadersQuestion) -> Sequence[LanguageScore]:
        """The best measured models of a language, best first."""
        return ()

    async def fertility_families(self) -> Sequence[str]:
        """Tokenizer families with measured fertility."""
        return ()

    async def languages(self) -> Sequence[str]:
        """Tags of the languages anything is known about."""
        return ()


class ScoreProvider(Provider[SettingsT]):
    """Evidence about skills. Several providers: the union."""

    kind: ClassVar[ProviderKind] = "scores"

    @abstractmethod
    async def evidence(self, request: ScoreQuestion) -> ScoreEvidence:
        """Published scores of this model, and priors of its size class."""

    async def table(self, request: SkillTableQuestion) -> Sequence[ModelScore]:
        """Every row of the asked skills; `measured_model` is a repository id where one is known."""
        return ()


class PriceProvider(Provider[SettingsT]):
    """Device and token prices with dates. Several providers: first."""

    kind: ClassVar[ProviderKind] = "prices"

    async def device_price(self, request: PriceQuestion) -> DevicePrice | None:
        """Price of an hour of the device; None when not known."""
        return None

    async def token_prices(self, request: PriceQuestion) -> TokenPrices | None:
        """List prices of a hosted model; None when not known."""
        return None


AnyProvider = Provider[Any]
