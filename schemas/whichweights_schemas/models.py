"""Architecture facts of one model at one revision."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from whichweights_schemas._base import Shape
from whichweights_schemas.attention import Attention
from whichweights_schemas.evidence import Basis, Evidence, Unknown
from whichweights_schemas.quantization import Quantization

ModelKind = Literal["base", "instruct", "encoder"]
ShapeConfidence = Literal["exact", "derived", "reported"]
"""Of the shape only. exact: read from a config and the parameter count closes · derived: some
fields solved from a count that closes · reported: incomplete or not reproduced."""


class DenseFeedForward(Shape):
    """A plain or gated MLP: two or three matrices of hidden_size by width."""

    kind: Literal["dense"] = "dense"
    width: int
    gated: bool = True
    bias: bool = False


class ExpertsFeedForward(Shape):
    """A mixture of experts: router, routed experts and optional shared ones."""

    kind: Literal["moe"] = "moe"
    experts: int
    experts_per_token: int
    width: int = Field(description="Width of one routed expert")
    gated: bool = True
    shared_width: int = Field(default=0, description="Sum of the widths of the shared experts")
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    latent_size: int | None = Field(
        default=None, description="Experts work on this size instead of hidden_size"
    )
    parallel_dense_width: int | None = Field(
        default=None, description="Width of a dense MLP beside the experts in the same layer"
    )


class NoFeedForward(Shape):
    """A layer without an MLP."""

    kind: Literal["none"] = "none"


class UnknownFeedForward(Shape):
    """An MLP or mixture of experts that is there, but not known well enough to count its weights.

    What is known of it stands here: use it to describe the model, not to size the layer.
    """

    kind: Literal["unknown"] = "unknown"
    dense_width: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    expert_width: int | None = None
    shared_width: int | None = None


FeedForward = Annotated[
    DenseFeedForward | ExpertsFeedForward | NoFeedForward | UnknownFeedForward,
    Field(discriminator="kind"),
]


class Block(Shape):
    """One kind of layer. `norms` counts hidden_size-wide norms (`norm_bias`: each with a bias)."""

    attention: Attention
    feed_forward: FeedForward
    norms: int = 2
    norm_bias: bool = False
    extra_parameters: int = Field(default=0, description="Anything else one such layer holds")


class VisionTower(Shape):
    """What is known of the vision part; its parameters stand in ParameterCounts."""

    layers: int | None = None
    hidden_size: int | None = None
    patch_size: int | None = None
    tokens_per_image: int | None = None


class ParameterCounts(Shape):
    """Numbers of weights. null = unknown, 0 = known to be absent.

    `total` is the whole repository; `language` leaves out the vision tower and the multi-token
    prediction layers (`mtp`), which engines load only for speculative decoding.
    `active` = weights one token touches; `active_basis` published = the maker's nominal figure.
    """

    total: int | None
    total_basis: Basis = "published"
    language: int | None = None
    vision: int | None = None
    mtp: int | None = None
    active: int | None = None
    active_basis: Basis | None = None


class CacheFigure(Shape):
    """Cache bytes where the layer list is not known: a published or derived figure, 16-bit cache.

    `bytes_per_token` grows with every token, `windowed_bytes_per_token` up to `window_tokens`.
    """

    bytes_per_token: int
    windowed_bytes_per_token: int = 0
    window_tokens: int | None = None
    state_bytes: int = 0
    upper_bound: bool = Field(default=False, description="Every layer was counted as full")


class ModelSpec(Shape):
    """Architecture facts of one model at one revision.

    `blocks` holds each distinct kind of layer once, `layout` names the block of every layer in
    order: `blocks[layout[i]]` is layer i. Both are empty when the shape is not known; then
    `cache_figure` may still give the cache, `stated_layers` the number of layers, and `unknown`
    says what is missing. `unknown` naming `extra_parameters` means that the layers as given here
    do not add up to the weights: size such a model from `parameters`.
    """

    id: str = Field(description="Hub repository id, path or provider-specific name")
    revision: str | None = None
    display_name: str
    aliases: tuple[str, ...] = ()
    family: str | None = None
    base_model: str | None = None
    kind: ModelKind | None = None
    architecture: str | None = Field(default=None, description="Class or model_type of the config")
    confidence: ShapeConfidence = "reported"
    release_date: str | None = Field(default=None, description="ISO date or month")
    license: str | None = None
    gated: bool | None = None

    parameters: ParameterCounts
    hidden_size: int | None = None
    vocab_size: int | None = None
    tied_embeddings: bool | None = None
    lm_head_bias: bool = False
    learned_positions: int = Field(default=0, description="Rows of a learned position table")
    extra_parameters: int = Field(default=0, description="Whole-model tensors named nowhere else")
    final_norm: bool = True
    blocks: tuple[Block, ...] = ()
    layout: tuple[int, ...] = ()
    stated_layers: int | None = Field(
        default=None, description="Number of layers, where `layout` is not known"
    )
    mtp_layers: int = 0
    vision: VisionTower | None = None
    cache_figure: CacheFigure | None = None

    max_context_tokens: int | None = None
    extended_context_tokens: int | None = Field(
        default=None, description="With rope scaling or what else extends the window"
    )
    context_note: str | None = None
    native: Quantization | None = Field(default=None, description="How the maker stores it")
    stored_bytes: int | None = Field(
        default=None, description="Sum of the real sizes of one complete set of weight files"
    )
    tokenizer_family: str | None = Field(
        default=None, description="Key of the fertility table; null = not measured"
    )
    input_modalities: tuple[str, ...] = ("text",)
    languages: tuple[str, ...] = Field(default=(), description="Tags of the card; a claim")
    tool_use: bool | None = None
    reasoning: bool | None = None

    notes: tuple[str, ...] = ()
    unverified: tuple[str, ...] = Field(default=(), description="Fields whose value nobody checked")
    unknown: tuple[Unknown, ...] = ()
    evidence: tuple[Evidence, ...] = ()

    @property
    def layers(self) -> int | None:
        """Number of layers, or None when the shape is not known."""
        return len(self.layout) or None

    def layer(self, index: int) -> Block:
        """The block of one layer. Raises IndexError outside the layout."""
        return self.blocks[self.layout[index]]


class ModelRef(Shape):
    """A model a provider can tell more about.

    `match`: `id` = the query is this model's id · `alias` = a name of this model · `partial` =
    every word of the query is in the model's name (one such model may be meant, several are
    ambiguous) · `similar` = only resembles the query (a suggestion, never picked).
    """

    id: str
    provider: str
    display_name: str = ""
    kind: ModelKind | None = None
    revision: str | None = None
    match: Literal["id", "alias", "partial", "similar"] = "similar"
    note: str | None = None


class ModelFile(Shape):
    """A file of a model's repository with its real size."""

    path: str
    size_bytes: int
    format: str | None = None
    note: str | None = None


class ModelRelative(Shape):
    """A quantized, distilled, smaller or larger relative."""

    id: str
    relation: Literal["quantized", "base", "instruct", "finetuned", "distilled", "same_family"]
    parameters: int | None = None
    note: str | None = None
    publisher: str | None = None
    downloads: int | None = Field(default=None, description="In the last 30 days")
    size_bytes: int | None = Field(default=None, description="Of the weight files, where one set")
