"""What a config says beside the language part: images, sound, the window, the storage type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from whichweights_plugins.formats._config_fields import Fields
from whichweights_schemas.models import VisionTower
from whichweights_schemas.quantization import Quantization

_DTYPES: Final[Mapping[str, Quantization]] = {
    "bfloat16": Quantization(format="BF16", bits_per_weight=16),
    "float16": Quantization(format="F16", bits_per_weight=16),
    "float32": Quantization(format="F32", bits_per_weight=32),
}


def modalities(config: Fields) -> tuple[str, ...]:
    """What the model reads, text first."""
    found = ["text"]
    if config.has("vision_config") or config.has("image_token_id"):
        found.append("image")
    if config.has("video_token_id") or config.has("video_token_index"):
        found.append("video")
    if config.has("audio_config"):
        found.append("audio")
    return tuple(found)


def vision_tower(config: Fields) -> VisionTower | None:
    """What the config tells of the vision part; None where there is none."""
    vision = config.section("vision_config")
    if vision is None:
        return None
    return VisionTower(
        layers=vision.optional("num_hidden_layers", "depth", "vt_num_hidden_layers"),
        hidden_size=vision.optional("hidden_size", "embed_dim", "vt_hidden_size"),
        patch_size=_patch(vision),
        tokens_per_image=config.optional("mm_tokens_per_image", "image_seq_length"),
    )


def _patch(vision: Fields) -> int | None:
    if isinstance(vision.raw("patch_size"), list):
        return next(iter(vision.integers("patch_size") or ()), None)
    return vision.optional("patch_size")


def context(text: Fields) -> tuple[int | None, int | None]:
    """The window in tokens, and what rope scaling makes of it where that is more."""
    window = text.optional(
        *("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_sequence_length")
    )
    scaling = text.section("rope_scaling") or text.section("rope_parameters")
    if window is None or scaling is None:
        return window, None
    kind = scaling.text("rope_type") or scaling.text("type")
    factor = scaling.number("factor")
    if factor is None or kind not in ("yarn", "linear", "dynamic"):
        return window, None
    original = scaling.optional("original_max_position_embeddings") or window
    extended = int(original * factor)
    return window, extended if extended > window else None


def storage(*configs: Fields) -> Quantization | None:
    """The storage type as the config states it; the first that speaks."""
    for config in configs:
        for key in ("dtype", "torch_dtype"):
            name = config.raw(key)
            if isinstance(name, str):
                return _DTYPES.get(name.removeprefix("torch."))
    return None
