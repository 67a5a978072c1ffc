"""The mixture rule of llama-quantize as tables: file type -> (condition, tensor type), first wins.

One table a role. A file type that a table does not name keeps its default type for that role.
Source: llama.cpp src/llama-quant.cpp, re-expressed; equal to its own snapshots (commit 0c1e57098)
for 12 model shapes x 33 file types. The imatrix, 8-expert and Falcon rows are by source only.
The letters name the rules in answers: c output, d embedding, f very low bits, g values, h queries
and keys, i down projections, j attention output and the other FFN tensors, l MXFP4_MOE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from whichweights.planning.formats._mixture_roles import Role

__all__ = [
    "FALCON_RULES",
    "FALLBACKS",
    "LOW_BIT",
    "LOW_BIT_RULES",
    "RULES",
    "Place",
    "Rows",
    "When",
]


class Place(NamedTuple):
    """Where a tensor stands: number `at` in a row `of` so many, and what the rule asks besides."""

    at: int
    of: int
    n_gqa: int
    n_expert: int
    imatrix: bool

    def takes_more_bits(self) -> bool:
        """Rule e: the first and last eighth, and every third tensor between them."""
        i, n = self.at, self.of
        return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


@dataclass(frozen=True, slots=True)
class When:
    """A condition on the place, and how to say it."""

    holds: Callable[[Place], bool]
    words: str


Rows = tuple[tuple[When, str], ...]
Table = Mapping[str, Rows]

ALWAYS = When(lambda place: True, "all of them")
GQA_4 = When(lambda place: place.n_gqa >= 4, "4 or more heads share a KV head")
GQA_4_OR_EXPERTS_4 = When(
    lambda place: place.n_gqa >= 4 or place.n_expert >= 4,
    "4 or more heads share a KV head, or 4 or more experts",
)
EXPERTS_8 = When(lambda place: place.n_expert == 8, "exactly 8 experts")
NO_IMATRIX = When(lambda place: not place.imatrix, "no imatrix")
FIRST_2 = When(lambda place: place.at < 2, "the first two")
FIRST_4 = When(lambda place: place.at < 4, "the first four")
FIRST_8TH = When(lambda place: place.at < place.of // 8, "the first eighth")
FIRST_16TH = When(lambda place: place.at < place.of // 16, "the first sixteenth")
FIRST_8TH_IMATRIX = When(
    lambda place: place.imatrix and place.at < place.of // 8,
    "the first eighth, with an imatrix",
)
FIRST_8TH_PLAIN = When(
    lambda place: not place.imatrix and place.at < place.of // 8,
    "the first eighth, without an imatrix",
)
MIDDLE = When(
    lambda place: place.of // 8 <= place.at < 7 * place.of // 8,
    "the middle six eighths",
)
MORE_BITS = When(Place.takes_more_bits, "first and last eighth and every third between")
MORE_BITS_EXPERTS_8 = When(
    lambda place: place.n_expert == 8 and place.takes_more_bits(),
    "exactly 8 experts, first and last eighth and every third between",
)


def _always(kind: str, *file_types: str) -> dict[str, Rows]:
    return dict.fromkeys(file_types, ((ALWAYS, kind),))


LOW_BIT: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"})
"""File types of rule f, which replaces g to j."""

_LOWEST = ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS")
_IQ2_SM = ("IQ2_S", "IQ2_M")

_OUTPUT = _always("Q5_K", *LOW_BIT, "IQ3_XXS") | _always("Q8_0", "Q8_0", "MXFP4_MOE")
_EMBEDDING = (
    _always("Q2_K", *_LOWEST)
    | _always("IQ3_S", *_IQ2_SM, "IQ3_XXS")
    | _always("Q4_K", "TQ1_0", "TQ2_0", "Q2_0")
)

_VALUES: dict[str, Rows] = {
    "Q2_K": ((GQA_4, "Q4_K"), (ALWAYS, "Q3_K")),
    "Q2_K_S": ((GQA_4, "Q4_K"),),
    "IQ3_XXS": ((GQA_4, "Q4_K"), (NO_IMATRIX, "IQ3_S")),
    "IQ3_XS": ((GQA_4, "Q4_K"),),
    "IQ3_S": ((GQA_4, "Q4_K"),),
    "IQ3_M": ((ALWAYS, "Q4_K"),),
    "Q3_K_M": ((FIRST_2, "Q5_K"), (ALWAYS, "Q4_K")),
    "Q3_K_L": ((ALWAYS, "Q5_K"),),
    "IQ4_NL": ((GQA_4, "Q5_K"),),
    "IQ4_XS": ((GQA_4, "Q5_K"),),
    "Q4_K_S": ((FIRST_4, "Q5_K"),),
    "Q4_K_M": ((MORE_BITS, "Q6_K"),),
    "Q5_K_M": ((MORE_BITS, "Q6_K"),),
}

_QUERIES = _always("IQ3_XXS", "IQ3_XS") | _always("IQ2_S", "IQ3_XXS")

_DOWN: dict[str, Rows] = {
    "Q2_K": ((ALWAYS, "Q3_K"),),
    "Q2_K_S": ((FIRST_8TH, "Q4_K"),),
    "IQ3_XXS": ((FIRST_8TH_PLAIN, "Q4_K"), (NO_IMATRIX, "Q3_K")),
    "Q3_K_M": ((FIRST_16TH, "Q5_K"), (ALWAYS, "Q4_K")),
    "IQ3_M": ((FIRST_8TH, "Q4_K"), (MORE_BITS_EXPERTS_8, "Q4_K")),
    "Q3_K_L": ((ALWAYS, "Q5_K"),),
    "Q4_K_S": ((FIRST_8TH, "Q5_K"),),
    "Q4_K_M": ((MORE_BITS, "Q6_K"),),
    "Q5_K_M": ((MORE_BITS, "Q6_K"),),
    "IQ4_NL": ((FIRST_8TH_PLAIN, "Q5_K"),),
    "IQ4_XS": ((FIRST_8TH_PLAIN, "Q5_K"),),
    "Q4_0": ((FIRST_8TH_IMATRIX, "Q4_1"),),
    "Q5_0": ((FIRST_8TH_IMATRIX, "Q5_1"),),
}

# With exactly 8 experts the whole table is another one: no row of the second column applies.
_ATTENTION_OUTPUT_8_EXPERTS = (
    *("Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL"),
    *("Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_XS"),
)
_NOT_EXPERTS_8 = When(lambda place: place.n_expert != 8, "all of them")
_ATTENTION_OUTPUT_OTHERS = {
    "Q2_K": "Q3_K",
    "IQ3_XXS": "IQ3_S",
    "Q3_K_M": "Q4_K",
    "Q3_K_L": "Q5_K",
    "IQ3_M": "Q4_K",
}


def _attention_output() -> dict[str, Rows]:
    rows: dict[str, Rows] = dict.fromkeys(_ATTENTION_OUTPUT_8_EXPERTS, ((EXPERTS_8, "Q5_K"),))
    for name, kind in _ATTENTION_OUTPUT_OTHERS.items():
        rows[name] = (*rows.get(name, ()), (_NOT_EXPERTS_8, kind))
    return rows


_GATE_UP: dict[str, Rows] = {"IQ3_XS": ((MIDDLE, "IQ3_XXS"),)}

RULES: Final[Mapping[Role, tuple[str, Table]]] = MappingProxyType(
    {
        Role.OUTPUT: ("c", _OUTPUT),
        Role.TOKEN_EMBEDDING: ("d", _EMBEDDING),
        Role.ATTENTION_V: ("g", _VALUES),
        Role.ATTENTION_QKV: ("g", _VALUES),
        Role.ATTENTION_KV_B: ("g", _VALUES),
        Role.ATTENTION_K: ("h", _QUERIES),
        Role.ATTENTION_Q: ("h", _QUERIES),
        Role.ATTENTION_OUTPUT: ("j", _attention_output()),
        Role.FFN_DOWN: ("i", _DOWN),
        Role.FFN_GATE: ("j", _GATE_UP),
        Role.FFN_UP: ("j", _GATE_UP),
    }
)

_LOW_VALUES: dict[str, Rows] = {
    **dict.fromkeys(_LOWEST, ((GQA_4_OR_EXPERTS_4, "Q4_K"), (ALWAYS, "Q2_K"))),
    **dict.fromkeys(_IQ2_SM, ((GQA_4_OR_EXPERTS_4, "Q4_K"), (ALWAYS, "IQ3_S"))),
}
_LOW_OUTPUT_TYPES = {"IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_S": "IQ3_S", "IQ2_M": "IQ3_S"}


def _low_attention_output() -> dict[str, Rows]:
    rows: dict[str, Rows] = dict.fromkeys(LOW_BIT, ((EXPERTS_8, "Q5_K"),))
    for name, kind in _LOW_OUTPUT_TYPES.items():
        rows[name] = (*rows[name], (ALWAYS, kind))
    return rows


LOW_BIT_RULES: Final[Mapping[Role, Table]] = MappingProxyType(
    {
        Role.ATTENTION_V: _LOW_VALUES,
        Role.ATTENTION_QKV: _LOW_VALUES,
        Role.ATTENTION_KV_B: _LOW_VALUES,
        Role.ATTENTION_K: dict.fromkeys(LOW_BIT, ((EXPERTS_8, "Q4_K"),)),
        Role.FFN_DOWN: {
            **dict.fromkeys(_LOWEST, ((FIRST_8TH, "Q2_K"),)),
            **dict.fromkeys(_IQ2_SM, ((FIRST_8TH, "IQ3_S"),)),
        },
        Role.ATTENTION_OUTPUT: _low_attention_output(),
    }
)
"""Rule f. Its ffn_down index is a running count over the file, never the block number."""

FALCON_RULES: Final[Mapping[Role, Table]] = MappingProxyType(
    {
        Role.FFN_DOWN: {
            **_DOWN,
            "Q3_K_M": ((FIRST_16TH, "Q5_K"), (MORE_BITS, "Q4_K")),
            "Q3_K_L": ((ALWAYS, "Q4_K"),),
            "Q4_K_M": ((FIRST_16TH, "Q6_K"), (MORE_BITS, "Q5_K")),
            "Q4_K_S": (),
        },
        Role.ATTENTION_OUTPUT: {"Q3_K_L": ((ALWAYS, "Q4_K"),)},
    }
)
"""What differs for the Falcon architecture (by source only)."""

FALLBACKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"),
            "IQ4_NL",
        ),
        **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0", "Q2_0"), "Q4_0"),
        "Q4_K": "Q5_0",
        "Q5_K": "Q5_1",
        "Q6_K": "Q8_0",
    }
)
"""Rule m: what replaces a type whose block does not divide the row length."""
