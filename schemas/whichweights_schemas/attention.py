"""What mixes tokens in a layer, one shape a kind; the kind decides what the cache holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from whichweights_schemas._base import Shape

QkNorm = Literal["none", "per_head", "full"]


class _SoftmaxAttention(Shape):
    """Query, key and value heads of ordinary attention (MHA, GQA and MQA alike)."""

    query_heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int | None = Field(default=None, description="null = head_dim")
    qkv_bias: bool = False
    output_bias: bool = False
    qk_norm: QkNorm = "none"
    output_gate: bool = False
    sinks: bool = False
    key_equals_value: bool = Field(
        default=False, description="One projection serves both; both are still cached"
    )
    shares_kv: bool = Field(default=False, description="Reuses an earlier layer's cache")

    @property
    def value_dim(self) -> int:
        """Width of one value head."""
        return self.value_head_dim or self.head_dim


class FullAttention(_SoftmaxAttention):
    """Every token sees all earlier ones: the cache grows with every token."""

    kind: Literal["full"] = "full"


class SlidingAttention(_SoftmaxAttention):
    """Sees the last `window` tokens: the cache stops growing there, if the engine exploits it."""

    kind: Literal["sliding"] = "sliding"
    window: int


class ChunkedAttention(_SoftmaxAttention):
    """Sees its own chunk of `chunk` tokens (Llama 4); cached like a window of that size."""

    kind: Literal["chunked"] = "chunked"
    chunk: int


class Indexer(Shape):
    """Picks the tokens sparse attention looks at; caches one key of `head_dim` per token."""

    heads: int
    head_dim: int
    top_k: int


class LatentAttention(Shape):
    """Multi-head latent attention (MLA): caches one compressed row per token and layer."""

    kind: Literal["mla"] = "mla"
    query_heads: int
    q_lora_rank: int | None = None
    kv_lora_rank: int
    rope_head_dim: int
    nope_head_dim: int
    value_head_dim: int
    indexer: Indexer | None = None
    output_gate: bool = False


class CompressedAttention(Shape):
    """Compressed sparse attention (DeepSeek V4): one key per `ratio` tokens, and a short window."""

    kind: Literal["compressed"] = "compressed"
    query_heads: int
    head_dim: int
    ratio: int = Field(description="0 = window only")
    window: int
    q_lora_rank: int | None = None
    output_lora_rank: int | None = None
    indexer: Indexer | None = None


class LinearAttention(Shape):
    """Gated DeltaNet or Kimi delta attention: a constant matrix state per head."""

    kind: Literal["linear"] = "linear"
    flavour: Literal["gated_deltanet", "kimi_delta"] = "gated_deltanet"
    key_heads: int
    value_heads: int
    key_head_dim: int
    value_head_dim: int
    conv_kernel: int = 4


class StateSpace(Shape):
    """Mamba-1 or Mamba-2: a constant state per sequence."""

    kind: Literal["state_space"] = "state_space"
    version: Literal[1, 2]
    inner_size: int
    state_size: int
    conv_kernel: int = 4
    heads: int = Field(default=0, description="Mamba-2 only")
    groups: int = Field(default=1, description="Mamba-2 only")
    dt_rank: int = Field(default=0, description="Mamba-1 only")
    gated_norm: bool = Field(
        default=True, description="Mamba-2 only: a norm of inner_size before the output"
    )


class RecurrentState(Shape):
    """Another recurrent mixer (RWKV, short convolution, lightning attention).

    `state_bytes` per sequence; null = the layout is not known. `parameters` of the mixer likewise.
    """

    kind: Literal["recurrent"] = "recurrent"
    flavour: str
    state_bytes: int | None = None
    parameters: int | None = None


class EncoderAttention(Shape):
    """Bidirectional attention of an encoder: nothing is cached between tokens."""

    kind: Literal["encoder"] = "encoder"
    query_heads: int
    head_dim: int
    bias: bool = Field(default=True, description="On all four projections (BERT)")


class CrossAttention(_SoftmaxAttention):
    """Attends to image keys computed once per sequence (mllama)."""

    kind: Literal["cross"] = "cross"
    image_tokens: int | None = None


class ParallelMixers(Shape):
    """Softmax attention and a state-space mixer side by side in one layer (Falcon-H1)."""

    kind: Literal["parallel"] = "parallel"
    attention: FullAttention
    state_space: StateSpace | RecurrentState


class NoAttention(Shape):
    """A layer that mixes no tokens."""

    kind: Literal["none"] = "none"


Attention = Annotated[
    FullAttention
    | SlidingAttention
    | ChunkedAttention
    | LatentAttention
    | CompressedAttention
    | LinearAttention
    | StateSpace
    | RecurrentState
    | EncoderAttention
    | CrossAttention
    | ParallelMixers
    | NoAttention,
    Field(discriminator="kind"),
]
