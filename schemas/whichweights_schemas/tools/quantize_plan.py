"""quantize_plan: which format, how large, what it costs in quality; and what a tag means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from whichweights_schemas._base import Shape
from whichweights_schemas.tools._common import ToolArguments, ToolResult
from whichweights_schemas.tools._forms import Limit, Name, Names, Number, Sequences, Tokens, choice
from whichweights_schemas.tools.estimate_vram import EngineChoice, Verdict

Quality = Annotated[Literal["best", "balanced", "smallest"], BeforeValidator(choice())]


class QuantizePlanArguments(ToolArguments):
    """Which format of this model for this memory? Or: what does this tag mean?"""

    model: Name | None = Field(default=None, description="Model to plan for")
    tag: Name | None = Field(
        default=None, description="Q4_K_M, UD-Q4_K_XL, AWQ-4bit, or a file name"
    )
    accelerators: Names = ("live",)
    target_gib: Annotated[Number, Field(gt=0, le=1_000_000)] | None = Field(
        default=None, description="Memory to stay within, instead of accelerators"
    )
    context_tokens: Tokens | None = None
    concurrent_sequences: Sequences = 1
    engine: EngineChoice = "auto"
    quality: Quality = "balanced"
    limit: Limit = 3


class QualityLoss(Shape):
    """Published loss against the unquantized model, on the model it was measured on."""

    metric: str
    value: float
    model: str
    source: str


class PlanNeeds(Shape):
    """What making the file takes, all steps together; null = not known."""

    disk_gib: float | None
    ram_gib: float | None
    calibration: bool | None
    gpu: bool | None


class PlanStep(Shape):
    """One of the `commands`, in their order: what it writes and takes by itself.

    `ram_gib` null = not measured, or too little to matter (downloads).
    """

    makes: str
    tool: str
    disk_gib: float | None
    ram_gib: float | None
    gpu: bool | None


class ReadyMade(Shape):
    """A file that exists already. `file` null = the whole repository is one copy."""

    repo: str
    file: str | None
    size_gib: float | None
    publisher: str | None = None
    downloads: int | None = None
    imatrix: bool | None = Field(default=None, description="null = the name does not tell")


class TensorRow(Shape):
    """Tensors of one part with one type for one reason; `layers` as "0-3,6" ("" = not in a layer).

    `rule` is the letter of the mixture rule that decided.
    """

    tensors: str
    layers: str
    count: int
    type: str
    bytes: int
    rule: str
    reason: str


class FormatPlan(Shape):
    """One format that fits, with what it takes and loses.

    `bits_per_weight` holds for this model. `file_gib` is the weights with the embeddings and the
    header of a GGUF file, without vision tower and draft layers. `total_gib` lies between
    `low_gib` and `high_gib`. The first plan has `ready_made`, or `commands` that make the file.
    """

    rank: int
    format: str
    engine: str
    bits_per_weight: float | None
    file_gib: float
    total_gib: float
    low_gib: float
    high_gib: float
    headroom_gib: float | None
    verdict: Verdict
    quality_loss: QualityLoss | None
    quality_note: str | None = None
    decode_tokens_per_second: float | None
    needs: PlanNeeds
    ready_made: tuple[ReadyMade, ...] = ()
    commands: tuple[str, ...] = ()
    verify: tuple[str, ...] = ()


class ExcludedFormat(Shape):
    """A format left out, and why."""

    format: str
    reason: str


class TagMeaning(Shape):
    """What a tag says, in plain words."""

    tag: str
    format: str
    container: str
    meaning: str
    lineage: str
    nominal_bits: float | None
    bits_per_weight: float | None
    bits_per_weight_model: str | None = None
    block_layout: str | None
    tensors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class SmallerCache(Shape):
    """The first plan with its KV cache in this type; `options` makes its engine use it.

    `lets_fit`: formats ranked before the first plan that fit with this type only.
    """

    type: str
    saves_gib: float
    verdict: Verdict
    engines: tuple[str, ...]
    options: str
    lets_fit: tuple[str, ...] = ()


class CachePlan(Shape):
    """The KV cache that the first plan assumes, and the smaller types its engine takes."""

    type: str
    gib: float
    smaller: tuple[SmallerCache, ...] = ()


class QuantizeSettings(Shape):
    """What the plans hold for, defaults included."""

    accelerators: tuple[str, ...]
    system_memory_gib: float | None
    context_tokens: int
    concurrent_sequences: int
    quality: Quality
    native_format: str | None = Field(description="The maker's own; null = not known")


class QuantizePlanResult(ToolResult):
    """The answer of quantize_plan: `tag_meaning` for a tag, `plans` for a model.

    `also_fit` names the next ones behind the first `limit`, which `plans` details. With model and
    tag: `steps` of the first plan, and `tensors` of a GGUF file (type and exact bytes of each).
    `kv_cache` is the cache of the first plan, and what smaller element types change.
    """

    model: str | None = None
    settings: QuantizeSettings | None = None
    tag_meaning: TagMeaning | None = None
    plans: tuple[FormatPlan, ...] = ()
    also_fit: tuple[str, ...] = ()
    excluded: tuple[ExcludedFormat, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    kv_cache: CachePlan | None = None
    tensor_types: dict[str, int] | None = None
    tensors: tuple[TensorRow, ...] = ()
    if_nothing_fits: tuple[str, ...] = ()
