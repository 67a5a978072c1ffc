"""The weights of one model in one format, ready to be summed and placed."""

from __future__ import annotations

from dataclasses import dataclass

from whichweights.planning.memory_types import Part
from whichweights_schemas.evidence import Basis

__all__ = ["WeightPlan"]


@dataclass(frozen=True, slots=True)
class WeightPlan:
    """Weights of one model in one format, in whole bytes.

    `layers` holds every layer with its experts, `experts` the routed experts among them.
    `active_layers` is what one token reads of the layers. `embedding` is the token embedding
    (which is also the head when `tied`), `head` the separate head, norms and all the rest.
    `low`/`high` bound the language part as a whole. `embedding_on_host`: the engine reads the
    embedding from system memory, so that it takes no room on the device. `replicated` bytes are
    whole on every tensor-parallel rank, `kv_projections` are (KV heads, bytes) of those cut by
    KV head.
    """

    format: str
    layers: tuple[int, ...]
    experts: tuple[int, ...]
    active_layers: int
    embedding: int
    head: int
    tied: bool
    embedding_on_host: bool
    vision: int
    mtp: int
    low: int
    high: int
    basis: Basis
    source: str
    layers_known: bool
    notes: tuple[str, ...] = ()
    replicated: int = 0
    kv_projections: tuple[tuple[int, int], ...] = ()

    def copies(self, ranks: int) -> int:
        """Bytes that so many tensor-parallel ranks store beyond one copy of the weights."""
        found = self.replicated * (ranks - 1)
        for heads, size in self.kv_projections:
            found += size * (ranks * -(-heads // ranks) - heads) // heads
        return found

    @property
    def language(self) -> int:
        """Bytes of the language part: everything but vision tower and MTP layers."""
        return self.embedding + self.head + sum(self.layers)

    def parts(self, load_vision: bool, load_mtp: bool) -> tuple[Part, ...]:
        """The weights as lines of the sum, with what the settings load."""
        size = self.language
        on_host = self.embedding if self.embedding_on_host else 0
        body = size - on_host
        slack_low, slack_high = size - self.low, self.high - size
        found = [
            Part(
                "weights",
                "weights",
                body,
                max(0, body - slack_low),
                body + slack_high,
                self.basis,
                self.source,
                "; ".join(self.notes) or None,
            )
        ]
        if on_host:
            found.append(
                Part(
                    "token embedding",
                    "weights",
                    on_host,
                    on_host,
                    on_host,
                    self.basis,
                    "llama.cpp keeps token_embd in system memory when there is a separate head",
                    "in system memory, not on the device",
                    host=True,
                )
            )
        if load_vision and self.vision:
            found.append(_sixteen_bit("vision tower", self.vision, "16-bit weights"))
        if load_mtp and self.mtp:
            found.append(_sixteen_bit("multi-token prediction", self.mtp, "draft layers"))
        return tuple(found)


def _sixteen_bit(name: str, size: int, note: str) -> Part:
    return Part(name, "weights", size, size, size, "computed", "parameters x bytes", note)
