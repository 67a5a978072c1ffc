"""Turns the sources of a raw model record into evidence and lists of unverified fields."""

from __future__ import annotations

from collections.abc import Iterable

from whichweights_plugins.knowledge._tables import Row
from whichweights_schemas.evidence import Basis, Evidence

FACTS_DATE = "2026-11-20"
"""Day the raw table was compiled."""

_SHAPE = (
    "intermediate_size num_attention_heads num_key_value_heads head_dim v_head_dim mlp_type"
    " qkv_bias o_bias mlp_bias qk_norm norms_per_layer norm_bias num_experts experts_per_token"
    " expert_bias moe_intermediate_size num_shared_experts shared_intermediate_size"
    " shared_expert_gate router_bias moe_latent_size parallel_dense_mlp dense_intermediate_size"
    " sliding_window attention_chunk_size kv_lora_rank q_lora_rank o_lora_rank qk_rope_head_dim"
    " qk_nope_head_dim index_n_heads index_head_dim index_topk linear_num_value_heads"
    " linear_num_key_heads linear_key_head_dim linear_value_head_dim linear_conv_kernel"
    " linear_num_heads linear_head_dim attn_output_gate attention_sinks attention_k_eq_v"
    " swa_num_key_value_heads num_global_key_value_heads global_head_dim mamba_num_heads"
    " mamba_head_dim mamba_n_groups mamba_conv_kernel ssm_state_size state_type"
    " num_kv_shared_layers extra_params_per_layer"
)
_ORDER = (
    "num_hidden_layers layer_pattern layer_pattern_string global_layer_index attention_layer_index"
    " moe_layer_index first_k_dense compress_ratios indexer_full_layers"
)
_SAME_NAME = (
    "architecture base_model family final_norm gated hidden_size languages learned_positions"
    " license lm_head_bias mtp_layers reasoning release_date tokenizer_family tool_use vocab_size"
)
_FIELDS: dict[str, str] = {
    **dict.fromkeys(_SHAPE.split(), "blocks"),
    **dict.fromkeys(_ORDER.split(), "layout"),
    "parameters_total": "parameters.total",
    "parameters_language": "parameters.language",
    "parameters_vision": "parameters.vision",
    "parameters_mtp": "parameters.mtp",
    "parameters_active": "parameters.active",
    "computed_parameters": "parameters.language",
    "tie_word_embeddings": "tied_embeddings",
    "max_position_embeddings": "max_context_tokens",
    "context_stated_on_card": "max_context_tokens",
    "context_extended": "extended_context_tokens",
    "torch_dtype": "native",
    "multimodal": "input_modalities",
    "model_kind": "kind",
    "extra_params": "extra_parameters",
    "type_vocab_size": "extra_parameters",
    "pooler": "extra_parameters",
    **{name: name for name in _SAME_NAME.split()},
}
"""Field of the raw table: field of ModelSpec. What is left out (cache bytes) is not shipped."""

_BASIS: tuple[tuple[str, Basis], ...] = (
    ("vendored config:", "exact"),
    ("config.json", "exact"),
    ("config copy", "exact"),
    ("hub metadata (Hugging Face API)", "exact"),
    ("computed", "computed"),
)
_SUPPORTED = "unverified, but part of a parameter count that closes"
_COMPUTED = "computed from the architecture"
_UNVERIFIED = "general knowledge, no source was read"


def evidence_of(record: Row, *, kept: Iterable[str]) -> tuple[Evidence, ...]:
    """One entry a source, naming the fields of the spec (`kept`: those it has) it stands behind."""
    known = set(kept)
    supported = set(record.get("supported_by_param_count", ()))
    found: list[Evidence] = []
    for tag, names in record["sources"].items():
        for source, basis, group in _groups(tag, names, supported):
            fields = ours(group, known)
            if fields:
                found.append(Evidence(fields=fields, basis=basis, source=source, date=FACTS_DATE))
    return tuple(found)


def _groups(
    tag: str, names: list[str], supported: set[str]
) -> tuple[tuple[str, Basis, list[str]], ...]:
    if tag != "unverified":
        return ((_COMPUTED if tag == "computed" else tag, _basis(tag), names),)
    return (
        (_SUPPORTED, "computed", [name for name in names if name in supported]),
        (_UNVERIFIED, "assumed", [name for name in names if name not in supported]),
    )


def unverified_of(record: Row, *, kept: Iterable[str]) -> tuple[str, ...]:
    """Fields of the spec that rest on no source that was read."""
    return ours(record.get("unchecked_fields", ()), set(kept))


def ours(names: Iterable[str], known: set[str]) -> tuple[str, ...]:
    """Fields of the spec for fields of the raw table, in order, without doubles."""
    found: dict[str, None] = {}
    for name in names:
        field = _FIELDS.get(name)
        if field is not None and field in known:
            found[field] = None
    return tuple(found)


def _basis(tag: str) -> Basis:
    for start, basis in _BASIS:
        if tag.startswith(start):
            return basis
    return "published"
