"""The tensors of Llama-3.1-8B, on which the mixture of a file type is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from whichweights.planning.formats.mixture import (
    MixtureFacts,
    MixturePlan,
    Tensor,
    TensorTable,
    plan_mixture,
)

__all__ = ["describe_types", "reference_plan"]

_LAYERS: Final = 32
_HIDDEN, _KV, _FFN, _VOCABULARY = 4096, 1024, 14336, 128256

# config.json of meta-llama/Llama-3.1-8B; rope_freqs is added by the GGUF converter.
_BLOCK: Final[Mapping[str, tuple[int, ...]]] = {
    "attn_norm": (_HIDDEN,),
    "attn_q": (_HIDDEN, _HIDDEN),
    "attn_k": (_HIDDEN, _KV),
    "attn_v": (_HIDDEN, _KV),
    "attn_output": (_HIDDEN, _HIDDEN),
    "ffn_norm": (_HIDDEN,),
    "ffn_gate": (_HIDDEN, _FFN),
    "ffn_up": (_HIDDEN, _FFN),
    "ffn_down": (_FFN, _HIDDEN),
}
_FACTS: Final = MixtureFacts(n_layers=_LAYERS, n_gqa=4, architecture="llama")


def _tensors() -> Iterator[Tensor]:
    yield Tensor("token_embd.weight", (_HIDDEN, _VOCABULARY))
    yield Tensor("output.weight", (_HIDDEN, _VOCABULARY))
    yield Tensor("output_norm.weight", (_HIDDEN,))
    yield Tensor("rope_freqs.weight", (64,))
    for layer in range(_LAYERS):
        for part, shape in _BLOCK.items():
            yield Tensor(f"blk.{layer}.{part}.weight", shape)


@cache
def _table() -> TensorTable:
    return TensorTable(_tensors())


def reference_plan(
    file_type_name: str, *, imatrix: bool, embedding_and_output: str | None = None
) -> MixturePlan:
    """The mixture of a file type on Llama-3.1-8B (8,030,261,312 weights with rope_freqs).

    Raises:
        UnknownQuantization: llama-quantize cannot make that file type.
    """
    return plan_mixture(
        _table(),
        _FACTS,
        file_type_name,
        imatrix=imatrix,
        output_type=embedding_and_output,
        embedding_type=embedding_and_output,
    )


def describe_types(plan: MixturePlan) -> tuple[str, ...]:
    """Which tensors of the plan get what, one short line for each distribution of types."""
    by_part: dict[str, dict[str, int]] = {}
    for tensor in plan.tensors:
        part = tensor.name.removesuffix(".weight").rsplit(".", 1)[-1]
        if "norm" in part or part == "rope_freqs":
            part = "norms"
        counts = by_part.setdefault(part, {})
        counts[tensor.type] = counts.get(tensor.type, 0) + 1
    lines: dict[str, list[str]] = {}
    for part, counts in by_part.items():
        lines.setdefault(_distribution(counts), []).append(part)
    return tuple(f"{', '.join(parts)}: {words}" for words, parts in lines.items())


def _distribution(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    total = sum(counts.values())
    *some, (last, _) = sorted(counts.items(), key=lambda item: item[1])
    lifted = ", ".join(f"{kind} in {count} of {total} layers" for kind, count in some)
    return f"{lifted}, {last} in the rest"
