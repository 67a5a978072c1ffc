"""Reads bidirectional encoders: BERT, RoBERTa, DistilBERT, ModernBERT."""

from __future__ import annotations

from whichweights_plugins.formats._config_fields import Fields
from whichweights_plugins.formats._config_shape import LanguageShape
from whichweights_plugins.formats._malformed import malformed
from whichweights_schemas.attention import EncoderAttention
from whichweights_schemas.models import Block, DenseFeedForward

_POOLER_NOTE = (
    "counted with the pooler; a checkpoint for masked-language or classification tasks differs by "
    "its head"
)


def read_bert(fields: Fields) -> LanguageShape:
    """BERT, RoBERTa, XLM-RoBERTa: learned positions, token types, a pooler."""
    hidden = fields.integer("hidden_size")
    return _encoder(
        fields,
        hidden,
        heads=fields.integer("num_attention_heads"),
        width=fields.integer("intermediate_size"),
        layers=fields.layers(),
        outside=fields.integer("type_vocab_size", default=2) * hidden + hidden * hidden + hidden,
        notes=(_POOLER_NOTE,),
    )


def read_distilbert(fields: Fields) -> LanguageShape:
    """DistilBERT: as BERT without token types and pooler."""
    return _encoder(
        fields,
        fields.integer("dim"),
        heads=fields.integer("n_heads"),
        width=fields.integer("hidden_dim"),
        layers=fields.layers("n_layers"),
        outside=0,
        notes=(),
    )


def _encoder(
    fields: Fields,
    hidden: int,
    *,
    heads: int,
    width: int,
    layers: int,
    outside: int,
    notes: tuple[str, ...],
) -> LanguageShape:
    block = Block(
        attention=_attention(hidden, heads, bias=True),
        feed_forward=DenseFeedForward(width=width, gated=False, bias=True),
        norm_bias=True,
    )
    return LanguageShape(
        hidden,
        fields.integer("vocab_size"),
        True,
        (block,) * layers,
        learned_positions=fields.integer("max_position_embeddings"),
        extra_parameters=outside + 2 * hidden,  # the norm behind the embeddings
        final_norm=False,
        encoder=True,
        notes=notes,
    )


def _attention(hidden: int, heads: int, *, bias: bool) -> EncoderAttention:
    if heads == 0 or hidden % heads:
        raise malformed(f"config.json: {heads} heads do not divide a width of {hidden}")
    return EncoderAttention(query_heads=heads, head_dim=hidden // heads, bias=bias)


def read_modernbert(fields: Fields) -> LanguageShape:
    """ModernBERT: gated MLP, norms without bias, the first layer without its attention norm."""
    hidden, vocabulary = fields.integer("hidden_size"), fields.integer("vocab_size")
    later = Block(
        attention=_attention(hidden, fields.integer("num_attention_heads"), bias=False),
        feed_forward=DenseFeedForward(width=fields.integer("intermediate_size")),
    )
    first = later.model_copy(update={"norms": 1})
    masked = "ModernBertForMaskedLM" in (fields.texts("architectures") or ())
    head = hidden * hidden + hidden + vocabulary if masked else 0
    return LanguageShape(
        hidden,
        vocabulary,
        True,
        (first, *(later,) * (fields.layers() - 1)),
        extra_parameters=hidden + head,
        encoder=True,
    )
