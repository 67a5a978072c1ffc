"""The tensors of one block of a GGUF file, and which of them a reading has accounted for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from whichweights_plugins.formats._gguf_parsing import GgufTensor


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What the metadata says of one layer. `window` = tokens it sees; `chunked` = as chunks."""

    hidden: int
    heads: int
    key_heads: int
    head_dim: int | None
    window: int | None = None
    chunked: bool = False
    shares_kv: bool = False
    causal: bool = True
    experts_used: int = 0
    kv_lora_rank: int | None = None
    indexer_top_k: int = 0
    indexer_heads: int = 0
    ssm_inner: int = 0
    ssm_state: int = 0
    ssm_kernel: int = 0
    ssm_groups: int = 0
    ssm_rank: int = 0
    convolution: int = 0


class Tensors:
    """A bag of tensors by their name without "blk.<n>."; taking one accounts for it.

    `missing` names the tensors a reading expected and did not find.
    """

    def __init__(self, tensors: Mapping[str, GgufTensor]) -> None:
        self._left = dict(tensors)
        self._all = tensors
        self.missing: list[str] = []

    def has(self, *names: str) -> bool:
        """Whether the block holds any of these."""
        return any(name in self._all for name in names)

    def has_prefix(self, prefix: str) -> bool:
        """Whether the block holds a tensor whose name starts so."""
        return any(name.startswith(prefix) for name in self._all)

    def side(self, name: str, axis: int) -> int:
        """Length of one side; 1 beyond the stated dimensions, 0 where the tensor is absent."""
        tensor = self._all.get(name)
        if tensor is None:
            return 0
        return tensor.shape[axis] if axis < len(tensor.shape) else 1

    def elements(self, name: str) -> int:
        """Weights of a tensor, 0 where it is absent."""
        tensor = self._all.get(name)
        return tensor.elements if tensor is not None else 0

    def take(self, *names: str) -> None:
        """Accounts for tensors that must be there."""
        for name in names:
            if self._left.pop(name, None) is None:
                self.missing.append(name)

    def take_if(self, *names: str) -> bool:
        """Accounts for tensors that may be there; whether all of them were."""
        there = all(name in self._left for name in names)
        for name in names:
            self._left.pop(name, None)
        return there

    def take_any(self, *alternatives: Iterable[str]) -> None:
        """Accounts for the first set that is there as a whole; the last one is expected."""
        sets = [tuple(names) for names in alternatives]
        found = next((names for names in sets if all(self.has(name) for name in names)), sets[-1])
        self.take(*found)

    def take_prefix(self, *prefixes: str) -> int:
        """Accounts for every tensor whose name starts so; their weights."""
        names = [name for name in self._left if name.startswith(prefixes)]
        return sum(self._left.pop(name).elements for name in names)

    def left(self) -> dict[str, GgufTensor]:
        """What nobody has accounted for."""
        return self._left
