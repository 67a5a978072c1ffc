"""The shape of a weight format outside GGUF: codes, and what is stored beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from whichweights.planning.formats._sources import AS_OF, FORMAT_LAYOUT
from whichweights.planning.formats.file_types import Family

__all__ = ["SIXTEEN_BIT_ENDS", "Calibration", "Overhead", "Spread", "WeightLayout"]


class Calibration(StrEnum):
    """Whether making the format needs sample text."""

    NONE = "none"
    OPTIONAL = "only for static activation scales"
    REQUIRED = "required"


class Spread(StrEnum):
    """What one scale (zero point, index …) is shared by."""

    GROUP = "weights along a row"
    FLAT = "weights in storage order, across rows"
    ROW = "output row"
    COLUMN = "input feature"
    BLOCK = "square block"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bits stored beside the weights: `bits` for every `spread` of `size` weights (or a side)."""

    what: str
    bits: int
    spread: Spread
    size: int = 1

    def count(self, in_features: int, out_features: int) -> int:
        """How many of them a matrix of that shape has."""
        match self.spread:
            case Spread.GROUP:
                return -(-in_features // self.size) * out_features
            case Spread.FLAT:
                return -(-in_features * out_features // self.size)
            case Spread.ROW:
                return out_features
            case Spread.COLUMN:
                return in_features
            case Spread.BLOCK:
                return -(-in_features // self.size) * -(-out_features // self.size)
            case Spread.TENSOR:
                return 1

    def bits_per_weight(self, in_features: int | None, out_features: int | None) -> float:
        """Share of one weight; 0.0 where it depends on a side that is not given."""
        match self.spread:
            case Spread.GROUP | Spread.FLAT:
                return self.bits / self.size
            case Spread.BLOCK:
                return self.bits / self.size**2
            case Spread.ROW:
                return self.bits / in_features if in_features else 0.0
            case Spread.COLUMN:
                return self.bits / out_features if out_features else 0.0
            case Spread.TENSOR:
                weights = (in_features or 0) * (out_features or 0)
                return self.bits / weights if weights else 0.0


SIXTEEN_BIT_ENDS: Final = ("embeddings", "lm_head", "norms")


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """How one format stores a linear layer, and who can read it.

    `keeps_16_bit` names what the format leaves alone by default; it dominates small models with
    large vocabularies. `min_compute_capability` is NVIDIA's, for the slowest kernel that works;
    `unverified` names fields that rest on no source that was read.
    """

    name: str
    ecosystem: str
    container: str
    family: Family
    bits: float
    overheads: tuple[Overhead, ...]
    calibration: Calibration = Calibration.NONE
    engines: tuple[str, ...] = ()
    min_compute_capability: tuple[int, int] | None = None
    capability_note: str = ""
    keeps_16_bit: tuple[str, ...] = SIXTEEN_BIT_ENDS
    note: str = ""
    unverified: tuple[str, ...] = ()
    source: str = FORMAT_LAYOUT
    date: str = AS_OF

    def bits_per_weight(
        self, in_features: int | None = None, out_features: int | None = None
    ) -> float:
        """Bits per quantized weight; terms of an unknown side are left out (they are small).

        Formula: bits of the code plus each overhead over the weights that share it.
        """
        return self.bits + sum(
            term.bits_per_weight(in_features, out_features) for term in self.overheads
        )

    def linear_bytes(self, in_features: int, out_features: int) -> int:
        """Bytes of one quantized matrix, overheads included, rounded up to whole bytes each."""
        size = -(-round(self.bits * in_features * out_features) // 8)
        for term in self.overheads:
            size += -(-term.bits * term.count(in_features, out_features) // 8)
        return size

    @property
    def formula(self) -> str:
        """The sum behind `bits_per_weight`, to show."""
        shares = {
            Spread.ROW: "in_features",
            Spread.COLUMN: "out_features",
            Spread.TENSOR: "weights of the tensor",
        }
        terms = [f"{self.bits:g}"]
        for term in self.overheads:
            size = f"({term.size}*{term.size})" if term.spread is Spread.BLOCK else str(term.size)
            terms.append(f"{term.bits}/{shares.get(term.spread, size)} ({term.what})")
        return " + ".join(terms)
