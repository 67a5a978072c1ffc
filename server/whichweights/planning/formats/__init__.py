"""Weight formats: block layouts, the llama.cpp mixture, tags, engine support, published quality.

Everything is a literal with its source and date; nothing is read at run time.
"""

from __future__ import annotations

from whichweights.planning.formats._mixture_roles import dimensions, is_quantizable
from whichweights.planning.formats.block_types import (
    BLOCK_TYPES,
    BlockType,
    block_type,
    padded,
    tensor_bytes,
)
from whichweights.planning.formats.file_types import (
    FILE_TYPE_ALIASES,
    FILE_TYPES,
    REMOVED_FILE_TYPES,
    Family,
    FileType,
    ImatrixNeed,
    RemovedFileType,
    file_type,
    file_type_by_id,
)
from whichweights.planning.formats.gguf_header import (
    HeaderEstimate,
    header_from_known_file,
    header_of,
)
from whichweights.planning.formats.kv_types import KV_TYPES, KvType, default_kv_type, kv_type
from whichweights.planning.formats.layouts import (
    LAYOUTS,
    Calibration,
    Overhead,
    Spread,
    WeightLayout,
    exl_layout,
    layout,
    mlx_layout,
)
from whichweights.planning.formats.mixture import (
    MixtureFacts,
    MixturePlan,
    Tensor,
    TensorPlan,
    TensorTable,
    is_70b_class,
    plan_mixture,
)
from whichweights.planning.formats.quality import (
    PerplexityRow,
    QualityLoss,
    perplexity_70b,
    published_loss,
    published_losses,
)
from whichweights.planning.formats.support import (
    ENGINES,
    AcceleratorTraits,
    Status,
    Support,
    supports,
)
from whichweights.planning.formats.tags import (
    DecodedTag,
    canonical_format,
    decode_tag,
    known_formats,
)

__all__ = [
    "BLOCK_TYPES",
    "ENGINES",
    "FILE_TYPES",
    "FILE_TYPE_ALIASES",
    "KV_TYPES",
    "LAYOUTS",
    "REMOVED_FILE_TYPES",
    "AcceleratorTraits",
    "BlockType",
    "Calibration",
    "DecodedTag",
    "Family",
    "FileType",
    "HeaderEstimate",
    "ImatrixNeed",
    "KvType",
    "MixtureFacts",
    "MixturePlan",
    "Overhead",
    "PerplexityRow",
    "QualityLoss",
    "RemovedFileType",
    "Spread",
    "Status",
    "Support",
    "Tensor",
    "TensorPlan",
    "TensorTable",
    "WeightLayout",
    "block_type",
    "canonical_format",
    "decode_tag",
    "default_kv_type",
    "dimensions",
    "exl_layout",
    "file_type",
    "file_type_by_id",
    "header_from_known_file",
    "header_of",
    "is_70b_class",
    "is_quantizable",
    "known_formats",
    "kv_type",
    "layout",
    "mlx_layout",
    "padded",
    "perplexity_70b",
    "plan_mixture",
    "published_loss",
    "published_losses",
    "supports",
    "tensor_bytes",
]
