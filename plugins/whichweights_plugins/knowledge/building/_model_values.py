"""Single values of a catalogue row: counts, context, native format, notes."""

from __future__ import annotations

from whichweights_plugins.knowledge._tables import Row
from whichweights_schemas.evidence import Basis
from whichweights_schemas.models import CacheFigure, ParameterCounts, VisionTower
from whichweights_schemas.quantization import Quantization

_NATIVE = {
    "bfloat16": Quantization(format="BF16", bits_per_weight=16),
    "float16": Quantization(format="FP16", bits_per_weight=16),
    "fp8_e4m3": Quantization(
        format="FP8-block",
        bits_per_weight=8 + 32 / 128**2,
        note="one scale for 128 x 128 weights; embedding, head, norms and routers in 16 bits",
    ),
    "mxfp4 experts + bf16": Quantization(
        format="MXFP4", note="MXFP4 experts, everything else in BF16"
    ),
    "fp4 experts + fp8": Quantization(format="MXFP4", note="FP4 experts, FP8 elsewhere"),
    "int4 experts": Quantization(format="W4A16", note="INT4 experts, 16 bits elsewhere"),
}
_FP8_SCALES = 1 / 128**2
"""Share by which a count grows when it includes the scales of FP8 in blocks of 128 x 128."""

_DOUBTFUL_CONFIG = "vendored config: ai-dynamo/aiconfigurator"
"""May be a quantized copy's config: its dtype is then that of the unquantized part."""

_ACTIVE_BASIS: dict[str, Basis] = {"computed": "computed", "nominal": "published"}

_FERTILITY = {
    "llama3-bpe-128k": "llama3",
    "llama4-bpe-202k": "llama4",
    "qwen-bpe-151k": "qwen3",
    "gemma-sentencepiece-256k": "gemma3",
    "deepseek-v3-bpe-128k": "deepseek_v3",
    "mistral-sentencepiece-32k": "mistral_v1_v3_sp32k",
    "mistral-tekken-131k": "mistral_tekken",
    "cohere-bpe-256k": "command_r_plus",
    "o200k_harmony": "o200k_base",
}


def parameters_of(record: Row) -> ParameterCounts:
    """Numbers of weights; the basis says where the total comes from."""
    check: str = record.get("param_check", "")
    return ParameterCounts(
        total=record.get("parameters_total"),
        total_basis="computed" if "follows from the formula" in check else "published",
        language=_language(record),
        vision=_vision(record),
        mtp=record.get("parameters_mtp", _no_draft_layers(record)),
        active=record.get("parameters_active"),
        active_basis=_ACTIVE_BASIS.get(record.get("parameters_active_basis", "")),
    )


def _vision(record: Row) -> int | None:
    if "parameters_vision" in record:
        return record["parameters_vision"]
    if "multimodal" not in record:
        return 0
    if record.get("param_check") == "equal" and "parameters_language" in record:
        return record["parameters_total"] - record["parameters_language"]
    return None


def _no_draft_layers(record: Row) -> int | None:
    """0 where the count closes without any."""
    return 0 if "compute_class" in record and not record.get("mtp_layers") else None


def _language(record: Row) -> int | None:
    if "parameters_language" in record:
        return record["parameters_language"]
    return record.get("computed_parameters")


def extra_parameters_of(record: Row) -> int:
    """Whole-model tensors the blocks do not hold: BERT's type table, embedding norm and pooler."""
    if record.get("compute_class") != "bert":
        return record.get("extra_params", 0)
    hidden: int = record["hidden_size"]
    types = record.get("type_vocab_size", 0) * hidden
    pooler = hidden * hidden + hidden if record.get("pooler") else 0
    return types + 2 * hidden + pooler


def context_of(record: Row) -> tuple[int | None, int | None, str | None]:
    """Window, extended window, and a remark where config and card disagree."""
    config: int | None = record.get("max_position_embeddings")
    card: int | None = record.get("context_stated_on_card")
    extended: int | None = record.get("context_extended")
    if config is None or card is None:
        return config if card is None else card, extended, None
    if card < config:
        return card, extended, f"the maker states {card:,} tokens, config.json lists {config:,}"
    note = f"config.json lists {config:,} tokens, the maker states {card:,}"
    return config, max(card, extended or 0), note


def native_of(record: Row, *, doubtful: bool = False) -> Quantization | None:
    """How the maker stores the weights; with `doubtful`, only an answer that needs checking."""
    dtype: str | None = record.get("torch_dtype")
    if _counts_scales(record) and dtype is None:
        return _NATIVE["fp8_e4m3"]  # the published count is larger by exactly the scales
    if dtype is None or _mentions_scales(record):
        return None
    vendored = "torch_dtype" in record["sources"].get(_DOUBTFUL_CONFIG, ())
    sixteen_bit_doubt = vendored and dtype == "bfloat16" and not _closes_in_16_bits(record)
    if doubtful and not sixteen_bit_doubt and dtype not in ("fp4 experts + fp8", "int4 experts"):
        return None
    return _NATIVE[dtype]


def _closes_in_16_bits(record: Row) -> bool:
    return "param_check" in record and not record["repo_id"].startswith("MiniMaxAI/")


def _counts_scales(record: Row) -> bool:
    total, computed = record.get("parameters_total"), record.get("computed_parameters")
    if not total or not computed:
        return False
    return abs((total / computed - 1) / _FP8_SCALES - 1) < 0.02


def _mentions_scales(record: Row) -> bool:
    """16 bits cannot be the whole truth where the count holds quantization scales."""
    notes = " ".join(record.get("notes", ()))
    return "quantisation scales" in notes and record.get("torch_dtype") == "bfloat16"


def inputs_of(record: Row) -> tuple[str, ...]:
    """What the model reads, text first; a vision tower means images."""
    tower = "parameters_vision" in record and "multimodal" not in record
    modalities: Row = record.get("multimodal", {})
    inputs: list[str] = ["image"] if tower else modalities.get("inputs", [])
    return ("text", *(name for name in inputs if name != "text"))


def vision_of(record: Row) -> VisionTower | None:
    """The vision part, None for a text model."""
    if not {"image", "video"} & set(inputs_of(record)):
        return None
    parts: Row = record.get("multimodal", {})
    return VisionTower(
        layers=parts.get("vision_layers"),
        hidden_size=parts.get("vision_hidden_size"),
        patch_size=parts.get("patch_size"),
        tokens_per_image=parts.get("tokens_per_image"),
    )


def cache_figure_of(record: Row) -> CacheFigure | None:
    """Cache bytes of a record whose layers are not known."""
    figure = record.get("kv_bytes_per_token_bf16_upper_bound")
    return None if figure is None else CacheFigure(bytes_per_token=figure, upper_bound=True)


def tokenizer_family_of(record: Row) -> str | None:
    """Key of the fertility table."""
    if record.get("family") in ("Qwen 1", "Qwen 1.5"):
        return "qwen"
    return _FERTILITY.get(record.get("tokenizer_family", ""))


def notes_of(record: Row) -> tuple[str, ...]:
    """Remarks of the record, the one about its cache first."""
    remark: str = record.get("kv_note", "not computed")
    cache = [] if remark.startswith("not computed") else [remark]
    unverified = "notes of this record are not verified"
    notes: list[str] = record.get("notes", [])
    rest = [note for note in notes if note != unverified]
    if unverified in notes:
        rest = [f"{note} (not verified)" for note in rest]
    return tuple(dict.fromkeys(cache + rest))
