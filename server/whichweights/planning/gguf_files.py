"""A GGUF file before anybody made it: the type and bytes of each tensor, the header, the size."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from whichweights.planning._gguf_table import gguf_model
from whichweights.planning._weight_formats import resolve_format
from whichweights.planning.formats import (
    HeaderEstimate,
    MixturePlan,
    TensorPlan,
    padded,
    plan_mixture,
)
from whichweights_schemas.models import ModelSpec

__all__ = ["GgufFile", "TensorGroup", "gguf_file", "tensor_groups"]


@dataclass(frozen=True, slots=True)
class GgufFile:
    """Every tensor of the file, and an estimate of what stands in front of them."""

    mixture: MixturePlan
    header: HeaderEstimate

    @property
    def bytes(self) -> int:
        """The size of the file: exact tensors, estimated header."""
        return self.mixture.total_bytes + self.header.bytes

    @property
    def band(self) -> tuple[int, int]:
        """The smallest and the largest size that the header leaves open."""
        tensors = self.mixture.total_bytes
        return tensors + self.header.low, tensors + self.header.high


@dataclass(frozen=True, slots=True)
class TensorGroup:
    """Tensors of one part that got one type for one reason. `layers` names them ("0-3,6,9");
    it is empty outside the blocks. `rule` is the letter of the mixture rule."""

    part: str
    layers: str
    count: int
    type: str
    bytes: int
    rule: str
    reason: str
    requires_imatrix: bool


def gguf_file(spec: ModelSpec, format_name: str, *, imatrix: bool | None = None) -> GgufFile | None:
    """The file llama-quantize makes of a model; None where the tensors of the model are not known,
    outside GGUF and for mixes that their publisher chose by hand.

    `imatrix` None takes what the name tells ("i1-Q4_0"). Raises UnknownQuantization.
    """
    return _gguf_file(cast("Hashable", spec), format_name, imatrix)


# A spec is frozen, so it can be a key; type checkers do not see that pydantic gives it a hash.
@lru_cache(maxsize=64)
def _gguf_file(frozen: Hashable, format_name: str, imatrix: bool | None) -> GgufFile | None:
    spec = cast("ModelSpec", frozen)
    kind = resolve_format(format_name, spec.native, "llama.cpp")
    model = gguf_model(spec)
    if model is None or kind.file_type is None or kind.by_publisher:
        return None
    mixture = plan_mixture(
        model.table,
        model.facts,
        kind.file_type.name,
        imatrix=kind.imatrix if imatrix is None else imatrix,
        output_type=kind.ends_type,
        embedding_type=kind.ends_type,
    )
    return GgufFile(mixture, model.header)


def tensor_groups(mixture: MixturePlan) -> tuple[TensorGroup, ...]:
    """The tensors of a mixture, each in exactly one group, in the order of the file.

    Norms and other tensors that are never quantized make one group for each type.
    """
    groups: dict[tuple[str, str, str, str], list[TensorPlan]] = {}
    for tensor in mixture.tensors:
        part = "norms and other small tensors" if tensor.rule == "a" else _part(tensor.name)
        groups.setdefault((part, tensor.type, tensor.rule, tensor.reason), []).append(tensor)
    return tuple(_group(key, tensors) for key, tensors in groups.items())


def _group(key: tuple[str, str, str, str], tensors: Sequence[TensorPlan]) -> TensorGroup:
    part, kind, rule, reason = key
    small = rule == "a"
    return TensorGroup(
        part,
        "" if small else _ranges(number for t in tensors if (number := _layer(t.name)) >= 0),
        len(tensors),
        kind,
        sum(padded(tensor.bytes) for tensor in tensors),
        rule,
        reason,
        any(tensor.requires_imatrix for tensor in tensors),
    )


def _part(name: str) -> str:
    short = name.split(".", 2)[2] if name.startswith("blk.") else name
    return short.removesuffix(".weight")


def _layer(name: str) -> int:
    return int(name.split(".", 2)[1]) if name.startswith("blk.") else -1


def _ranges(numbers: Iterable[int]) -> str:
    """0, 1, 2, 5 as "0-2,5"."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in found)
