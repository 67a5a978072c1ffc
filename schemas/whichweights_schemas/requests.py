"""What providers are asked: one frozen object a question, so that a new field breaks nobody."""

from __future__ import annotations

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.models import ModelRef, ModelSpec
from whichweights_schemas.tokenizing import Chat


class FindModel(Shape):
    """Which models could `query` mean? `revision`: the branch, tag or commit asked for."""

    query: str
    limit: int = 12
    revision: str | None = None


class CandidateFilter(Shape):
    """Which models are worth considering; a provider may return more, never rank."""

    max_parameters: int | None = None
    ids: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("instruct",)


class FindApiModel(Shape):
    """Which hosted models could `query` mean? Empty: all first-party ones."""

    query: str = ""
    limit: int = 12


class TokenizerRequest(Shape):
    """Whose tokenizer: a resolved model where there is one, else the name as given.

    `with_template` asks for one that can count a chat too.
    """

    name: str
    model: ModelSpec | None = None
    with_template: bool = False


class RemoteCountRequest(Shape):
    """How many tokens does the vendor's own endpoint count? One of `text` and `chat` is given."""

    name: str
    text: str | None = None
    chat: Chat | None = None


class LookupAccelerator(Shape):
    """What is a device of that name? `memory_gb` breaks ties between variants."""

    name: str
    memory_gb: float | None = None


class LanguageQuestion(Shape):
    """What is known of this model in this language (BCP-47 tag), up to this context?"""

    model: ModelSpec
    language: str
    context_tokens: int = 0


class LeadersQuestion(Shape):
    """Which models of at most this size are best measured in this language?"""

    language: str
    max_parameters: int | None = None
    limit: int = 20


class ScoreQuestion(Shape):
    """What is known of this model's skill? Empty skill: everything."""

    model: ModelSpec
    skill: str = ""


class SkillTableQuestion(Shape):
    """All published rows of these skills, for ranking many models at once."""

    skills: tuple[str, ...]


class PriceQuestion(Shape):
    """What does the device, or the hosted model, cost?"""

    device: str | None = None
    api_model: str | None = None


class ModelQuestion(Shape):
    """Tell more about this model."""

    ref: ModelRef
    limit: int = Field(default=20, description="At most so many rows")
