"""How weights are stored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from whichweights_schemas._base import Shape

WeightContainer = Literal["safetensors", "gguf", "mlx", "exl2", "exl3", "other"]


class Quantization(Shape):
    """A weight format by its canonical name ("BF16", "FP8", "Q4_K_M", "GPTQ-Int4", "MXFP4" …)."""

    format: str = Field(description="Canonical name, as `quantization` accepts it")
    container: WeightContainer = "safetensors"
    bits_per_weight: float | None = Field(
        default=None, description="Mean over the quantized tensors; null where the file decides"
    )
    note: str | None = Field(
        default=None, description='What the name does not say, as "FP4 experts, FP8 elsewhere"'
    )
