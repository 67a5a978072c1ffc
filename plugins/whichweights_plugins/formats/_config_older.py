"""Reads the decoders of 2019 to 2023, each with field names of its own."""

from __future__ import annotations

from whichweights_plugins.formats._config_decoder import tied
from whichweights_plugins.formats._config_fields import Fields, refuse
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import FullAttention, SlidingAttention
from whichweights_schemas.models import Block, DenseFeedForward

_OPT_POSITION_OFFSET = 2
"""OPT's position table starts two rows in (OPTLearnedPositionalEmbedding)."""


def _heads(hidden: int, heads: int, key_heads: int, *, bias: bool, out: bool) -> FullAttention:
    if heads == 0 or hidden % heads:
        raise malformed(f"config.json: {heads} heads do not divide a width of {hidden}")
    return FullAttention(
        query_heads=heads,
        kv_heads=key_heads,
        head_dim=hidden // heads,
        qkv_bias=bias,
        output_bias=out,
    )


def _block(attention: FullAttention, width: int, *, bias: bool, norms: int = 2) -> Block:
    mlp = DenseFeedForward(width=width, gated=False, bias=bias)
    return Block(attention=attention, feed_forward=mlp, norms=norms, norm_bias=True)


def read_gpt2(fields: Fields) -> LanguageShape:
    """GPT-2, and GPT-BigCode (StarCoder), whose key and value have one head."""
    hidden, heads = fields.integer("n_embd"), fields.integer("n_head")
    shared = fields.model_type == "gpt_bigcode" and fields.flag("multi_query", True)
    attention = _heads(hidden, heads, 1 if shared else heads, bias=True, out=True)
    width = fields.optional("n_inner") or 4 * hidden
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, True),
        (_block(attention, width, bias=True),) * fields.layers("n_layer"),
        learned_positions=fields.integer("n_positions", "n_ctx"),
    )


def read_gpt_neo(fields: Fields) -> LanguageShape:
    """GPT-Neo: full and windowed layers in turn, as `attention_layers` lists them."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_heads")
    attention = _heads(hidden, heads, heads, bias=False, out=True)
    width = fields.optional("intermediate_size") or 4 * hidden
    full = _block(attention, width, bias=True)
    same = attention.model_dump(exclude={"kind"})
    windowed = SlidingAttention(**same, window=fields.integer("window_size", default=256))
    local = full.model_copy(update={"attention": windowed})
    layers, kinds = fields.layers("num_layers"), fields.texts("attention_layers")
    if kinds is None:
        raise refuse(fields, "does not list its `attention_layers`")
    if len(kinds) != layers:
        raise malformed(f"config.json: `attention_layers` has {len(kinds)} entries, not {layers}")
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, True),
        tuple(local if kind == "local" else full for kind in kinds),
        learned_positions=fields.integer("max_position_embeddings"),
    )


def read_gptj(fields: Fields) -> LanguageShape:
    """GPT-J: attention and MLP side by side behind one norm; the head has a bias."""
    hidden, heads = fields.integer("n_embd"), fields.integer("n_head")
    attention = _heads(hidden, heads, heads, bias=False, out=False)
    block = _block(attention, fields.optional("n_inner") or 4 * hidden, bias=True, norms=1)
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, False),
        (block,) * fields.layers("n_layer"),
        lm_head_bias=True,
    )


def read_gpt_neox(fields: Fields) -> LanguageShape:
    """GPT-NeoX and Pythia."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    bias = fields.flag("attention_bias", True)
    block = _block(
        _heads(hidden, heads, heads, bias=bias, out=bias),
        fields.integer("intermediate_size"),
        bias=True,
    )
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, False),
        (block,) * fields.layers(),
    )


def read_opt(fields: Fields) -> LanguageShape:
    """OPT, but for the 350M, which projects its embedding and lacks the final norm."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    if fields.integer("word_embed_proj_dim", default=hidden) != hidden:
        raise refuse(fields, "projects its embedding to another width")
    if not fields.flag("do_layer_norm_before", True):
        raise refuse(fields, "normalises after its layers")
    bias = fields.flag("enable_bias", True)
    attention = _heads(hidden, heads, heads, bias=bias, out=bias)
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, True),
        (_block(attention, fields.integer("ffn_dim"), bias=bias),) * fields.layers(),
        learned_positions=fields.integer("max_position_embeddings") + _OPT_POSITION_OFFSET,
    )


def read_bloom(fields: Fields) -> LanguageShape:
    """BLOOM: no position table (ALiBi), a norm behind the embedding."""
    hidden = fields.integer("hidden_size", "n_embed")
    heads = fields.integer("n_head", "num_attention_heads")
    attention = _heads(hidden, heads, heads, bias=True, out=True)
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, True),
        (_block(attention, 4 * hidden, bias=True),) * fields.layers("n_layer", "num_hidden_layers"),
        extra_parameters=2 * hidden,
    )


def read_falcon(fields: Fields) -> LanguageShape:
    """Falcon 7B to 180B: one, few or all heads for keys, attention and MLP in parallel."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("num_attention_heads", "n_head")
    newer = fields.flag("new_decoder_architecture", False)
    key_heads = heads
    if newer:
        key_heads = fields.integer("num_kv_heads", "n_head_kv", default=heads)
    elif fields.flag("multi_query", True):
        key_heads = 1
    norms = 2
    if newer:
        norms = fields.integer("num_ln_in_parallel_attn", default=2)
    elif fields.flag("parallel_attn", True):
        norms = 1
    bias = fields.flag("bias", False)
    block = _block(
        _heads(hidden, heads, key_heads, bias=bias, out=bias),
        fields.integer("ffn_hidden_size", default=4 * hidden),
        bias=bias,
        norms=norms,
    )
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        tied(fields, True),
        (block,) * fields.layers("num_hidden_layers", "n_layer"),
    )


def read_stablelm(fields: Fields) -> LanguageShape:
    """StableLM 2 and 3B: a gated MLP, norms with a bias."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    if fields.switched("qk_layernorm"):
        raise refuse(fields, "normalises queries and keys head by head")
    bias = fields.flag("use_qkv_bias", False)
    key_heads = fields.integer("num_key_value_heads")
    block = Block(
        attention=_heads(hidden, heads, key_heads, bias=bias, out=False),
        feed_forward=DenseFeedForward(width=fields.integer("intermediate_size")),
        norms=1 if fields.switched("use_parallel_residual") else 2,
        norm_bias=True,
    )
    return LanguageShape(
        hidden, fields.integer("vocab_size"), tied(fields, False), (block,) * fields.layers()
    )


def read_chatglm(fields: Fields) -> LanguageShape:
    """ChatGLM 2 to 4 in the maker's own format (not the one converted for transformers)."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    grouped = fields.flag("multi_query_attention", False)
    attention = FullAttention(
        query_heads=heads,
        kv_heads=fields.integer("multi_query_group_num") if grouped else heads,
        head_dim=fields.integer("kv_channels"),
        qkv_bias=fields.flag("add_bias_linear", False) or fields.flag("add_qkv_bias", False),
    )
    mlp = DenseFeedForward(width=fields.integer("ffn_hidden_size"))
    return LanguageShape(
        hidden,
        fields.integer("padded_vocab_size", "vocab_size"),
        tied(fields, False),
        (Block(attention=attention, feed_forward=mlp),) * fields.layers("num_layers"),
    )
