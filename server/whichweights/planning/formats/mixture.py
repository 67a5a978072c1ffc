"""The llama.cpp mixture rule: which type each tensor of a GGUF file gets, and its exact bytes.

K-quant mixes are positional and go by name; importance enters only through the imatrix flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from whichweights.planning.formats._mixture_roles import (
    ATTENTION_V_LIKE,
    Role,
    block_number,
    is_quantizable,
    role_of,
)
from whichweights.planning.formats._mixture_rules import (
    FALCON_RULES,
    FALLBACKS,
    LOW_BIT,
    LOW_BIT_RULES,
    RULES,
    Place,
    Rows,
)
from whichweights.planning.formats._sources import LLAMA_QUANT
from whichweights.planning.formats.block_types import (
    BLOCK_TYPES,
    block_type,
    padded,
    tensor_bytes,
)
from whichweights.planning.formats.file_types import FileType, file_type
from whichweights_schemas.errors import UnknownQuantization

__all__ = [
    "MixtureFacts",
    "MixturePlan",
    "Tensor",
    "TensorPlan",
    "TensorTable",
    "is_70b_class",
    "plan_mixture",
]

_70B_LAYERS: Final = {"llama": 80, "qwen2": 80, "deci": 80, "olmo": 80, "jais2": 68}
"""Architectures and depths that llama.cpp calls model type 70B (llama-model.cpp)."""

_ALWAYS_Q8_0: Final = {"glm5-next": ("attn_q_a.weight", "attn_q_b.weight", "nextn.eh_proj.weight")}

_IMATRIX_TYPES: Final = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"})


class Tensor(NamedTuple):
    """A tensor of the input file: GGUF name, shape with the row length first, and its type.

    `source_type` is what it keeps where it is not quantized (F32 for norms and routers).
    """

    name: str
    shape: tuple[int, ...]
    source_type: str = "F32"

    @property
    def row_length(self) -> int:
        """Weights in a row: the first dimension."""
        return self.shape[0]

    @property
    def elements(self) -> int:
        """Weights in all."""
        total = 1
        for size in self.shape:
            total *= size
        return total


@dataclass(frozen=True, slots=True)
class MixtureFacts:
    """What the rule must know beyond the tensors.

    `n_layers` counts all layers, MTP and FFN-less ones included. `n_gqa` is heads / KV heads of
    layer 0, and 0 when layer 0 has no KV heads (a hybrid that starts with a Mamba block); an MLA
    header has one KV head. `architecture` is GGUF's general.architecture ("llama", "qwen2" …).
    """

    n_layers: int
    n_gqa: int
    n_expert: int = 0
    architecture: str = ""
    is_70b: bool = False


class TensorPlan(NamedTuple):
    """The decision for one tensor: type, bytes without padding, rule letter and reason."""

    name: str
    type: str
    elements: int
    bytes: int
    rule: str
    reason: str
    requires_imatrix: bool


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """Every tensor of a file type. `total_bytes` pads each tensor to 32, as the file does.

    The file is larger by its header and tokenizer (0.76 to 7.9 MB on published files).
    """

    file_type: str
    imatrix: bool
    tensors: tuple[TensorPlan, ...]
    total_bytes: int
    weights: int
    source: str = LLAMA_QUANT

    @property
    def bits_per_weight(self) -> float:
        """Bits of the tensors over all weights of the file; 0.0 for a file without weights."""
        return self.total_bytes * 8 / self.weights if self.weights else 0.0

    @property
    def requires_imatrix(self) -> bool:
        """True when llama-quantize refuses this file without an importance matrix."""
        return any(tensor.requires_imatrix for tensor in self.tensors)

    @property
    def counts(self) -> dict[str, int]:
        """Tensors per type."""
        counts: dict[str, int] = {}
        for tensor in self.tensors:
            counts[tensor.type] = counts.get(tensor.type, 0) + 1
        return counts


class _Entry(NamedTuple):
    """A tensor and what follows from it alone; `kept` is its plan where no type quantizes it."""

    tensor: Tensor
    role: Role
    block: int
    elements: int
    kept: TensorPlan | None


_KEPT: Final = ("a", "never quantized: keeps its type")


def _entry(tensor: Tensor, block: int, role: Role, quantizable: bool) -> _Entry:
    elements, kept = tensor.elements, None
    if not quantizable:
        size = tensor_bytes(tensor.source_type, elements, tensor.row_length)
        kept = TensorPlan(tensor.name, tensor.source_type, elements, size, *_KEPT, False)
    return _Entry(tensor, role, block, elements, kept)


@lru_cache(maxsize=1024)
def _part(name: str, shape: tuple[int, ...]) -> tuple[Role, bool]:
    """Role, and whether it is quantizable, by the name without the number: layers repeat both."""
    return role_of(name), is_quantizable(name, shape)


def _unnumbered(name: str, block: int) -> str:
    return name if block < 0 else name[name.index(".", len("blk.")) :]


class TensorTable:
    """A tensor list sorted and classified once, so that many file types can be planned from it.

    Order of the counters: block number as a number, then name; tensors outside blocks first.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        ordered = sorted((block_number(tensor.name), tensor.name, tensor) for tensor in tensors)
        self.entries = tuple(
            _entry(tensor, block, *_part(_unnumbered(name, block), tensor.shape))
            for block, name, tensor in ordered
        )
        self.has_output = any(entry.role is Role.OUTPUT for entry in self.entries)
        self.value_tensors = sum(entry.role in ATTENTION_V_LIKE for entry in self.entries)
        self.weights = sum(entry.elements for entry in self.entries)


_WORDS: Final = {
    Role.TOKEN_EMBEDDING: "embedding",
    Role.ATTENTION_V: "values",
    Role.ATTENTION_QKV: "values (joint q, k, v)",
    Role.ATTENTION_KV_B: "values (MLA kv_b)",
    Role.ATTENTION_K: "keys",
    Role.ATTENTION_Q: "queries",
    Role.ATTENTION_OUTPUT: "attention output",
    Role.FFN_DOWN: "down projection",
    Role.FFN_GATE: "gate projection",
    Role.FFN_UP: "up projection",
}


_ENDS: Final = (Role.OUTPUT, Role.TOKEN_EMBEDDING)


class _Choice(NamedTuple):
    type: str
    rule: str
    reason: str


@dataclass(slots=True)
class _Counters:
    values: int = 0
    down: int = 0
    gate: int = 0
    up: int = 0


def is_70b_class(architecture: str, n_layers: int, n_gqa: int) -> bool:
    """True where llama.cpp speaks of model type 70B, which lifts attn_v (rule g).

    An 80-layer Llama counts only with grouped queries: without, it is the 65B.
    """
    if _70B_LAYERS.get(architecture) != n_layers:
        return False
    return architecture != "llama" or n_gqa > 1


def plan_mixture(
    tensors: Sequence[Tensor] | TensorTable,
    facts: MixtureFacts,
    file_type_name: str,
    *,
    imatrix: bool = False,
    output_type: str | None = None,
    embedding_type: str | None = None,
) -> MixturePlan:
    """The type of every tensor when llama-quantize makes this file type.

    `output_type` and `embedding_type` are its --output-tensor-type and --token-embedding-type
    (the "_L" files of some publishers: both Q8_0).

    Raises:
        UnknownQuantization: no such file type, or one that llama-quantize cannot make (NVFP4).
    """
    kind = file_type(file_type_name)
    if not kind.made_by_llama_quantize:
        raise UnknownQuantization(
            f"llama-quantize has no default type for {kind.name}: no mixture can be computed",
            hint="Read the tensor types from the converted file, or plan MXFP4_MOE or Q4_K_M.",
            suggestions=("MXFP4_MOE", "Q4_K_M"),
        )
    table = tensors if isinstance(tensors, TensorTable) else TensorTable(tensors)
    mixer = _Mixer(table, facts, kind, imatrix, output_type, embedding_type)
    planned = tuple(mixer.plan(entry) for entry in table.entries)
    total = sum(padded(tensor.bytes) for tensor in planned)
    return MixturePlan(kind.name, imatrix, planned, total, table.weights)


class _Mixer:
    """Walks the tensors in counter order; the only state is the counters."""

    def __init__(
        self,
        table: TensorTable,
        facts: MixtureFacts,
        kind: FileType,
        imatrix: bool,
        output_type: str | None,
        embedding_type: str | None,
    ) -> None:
        self._table = table
        self._facts = facts
        self._kind = kind
        self._imatrix = imatrix
        self._quantizes = block_type(kind.default_type).is_quantized
        self._overrides = {Role.OUTPUT: output_type, Role.TOKEN_EMBEDDING: embedding_type}
        self._default = _Choice(kind.default_type, "b", f"default type of {kind.name}")
        self._falcon = facts.architecture == "falcon"
        self._low_bit = kind.name in LOW_BIT
        self._always_q8 = _ALWAYS_Q8_0.get(facts.architecture, ())
        self._counters = _Counters()

    def plan(self, entry: _Entry) -> TensorPlan:
        """Decide one tensor and count it."""
        if entry.kept is not None:
            return entry.kept
        choice = self._choose(entry)
        needs = entry.role not in _ENDS and self._needs_imatrix(choice.type)
        size = tensor_bytes(choice.type, entry.elements, entry.tensor.row_length)
        return TensorPlan(entry.tensor.name, choice.type, entry.elements, size, *choice[1:], needs)

    def _needs_imatrix(self, kind: str) -> bool:
        return kind in _IMATRIX_TYPES or (kind == "Q2_K" and self._kind.name == "Q2_K_S")

    def _choose(self, entry: _Entry) -> _Choice:
        override = self._overrides.get(entry.role)
        if override is not None:
            chosen = _Choice(block_type(override).name, "option", "type given for this tensor")
            return _fallback(chosen, entry.tensor.row_length)
        if not self._quantizes:
            return self._default
        return _fallback(self._by_rule(entry), entry.tensor.row_length)

    def _by_rule(self, entry: _Entry) -> _Choice:
        role = entry.role
        tied_head = role is Role.TOKEN_EMBEDDING and not self._table.has_output
        if role is Role.OUTPUT or tied_head:
            return self._output(entry, tied_head)
        if self._kind.name == "MXFP4_MOE":
            return self._mxfp4_moe(entry)
        if self._always_q8 and entry.tensor.name.endswith(self._always_q8):
            return _Choice("Q8_0", "a", "always Q8_0 in this architecture")
        if self._low_bit and role is not Role.TOKEN_EMBEDDING:
            return self._low_bits(entry)
        if role in ATTENTION_V_LIKE:
            return self._values(entry)
        return self._other(entry)

    def _output(self, entry: _Entry, tied_head: bool) -> _Choice:
        part = "token_embd, which is also the output" if tied_head else "output"
        kind, default = self._kind.name, self._kind.default_type
        if kind == "MXFP4_MOE" or self._falcon:
            return _Choice("Q8_0", "c", f"{part}: Q8_0 in this mixture")
        if entry.tensor.row_length % BLOCK_TYPES[default].block_weights:
            return _Choice("Q8_0", "c", f"{part}: its rows do not divide into {default} blocks")
        rows = RULES[Role.OUTPUT][1].get(kind)
        return _Choice(rows[0][1] if rows else "Q6_K", "c", f"{part}: kept more precise")

    def _mxfp4_moe(self, entry: _Entry) -> _Choice:
        shape = entry.tensor.shape
        experts_only = self._facts.architecture == "bailingmoe3"
        is_ffn = entry.role in (Role.FFN_UP, Role.FFN_GATE, Role.FFN_DOWN)
        if len(shape) > 2 and shape[2] > 1 and (is_ffn or not experts_only):
            return _Choice("MXFP4", "l", "a tensor with a third dimension (experts)")
        return _Choice("Q8_0", "l", "not an expert tensor")

    def _low_bits(self, entry: _Entry) -> _Choice:
        place = self._place(0, 0)
        if entry.role is Role.FFN_DOWN:
            place = self._place(self._counters.down, self._facts.n_layers)
            self._counters.down += 1
        rows = LOW_BIT_RULES.get(entry.role, {}).get(self._kind.name, ())
        return self._first(rows, place, "f", entry.role)

    def _values(self, entry: _Entry) -> _Choice:
        place = self._place(self._counters.values, self._table.value_tensors)
        self._counters.values += 1
        letter, table = RULES[entry.role]
        choice = self._first(table.get(self._kind.name, ()), place, letter, entry.role)
        if self._facts.n_expert == 8:
            return _Choice("Q8_0", letter, "values: exactly 8 experts")
        if self._facts.is_70b and choice.type in ("Q3_K", "Q4_K"):
            return _Choice("Q5_K", letter, "values: lifted in the 70B class, where they are small")
        return choice

    def _other(self, entry: _Entry) -> _Choice:
        if entry.role is Role.OTHER:
            return self._default
        if entry.role is Role.ATTENTION_K and self._facts.n_expert == 8:
            return _Choice("Q8_0", "h", "keys: exactly 8 experts")
        place = self._place(self._ffn_index(entry), self._facts.n_layers)
        letter, table = RULES[entry.role]
        if self._falcon:
            table = FALCON_RULES.get(entry.role, table)
        return self._first(table.get(self._kind.name, ()), place, letter, entry.role)

    def _ffn_index(self, entry: _Entry) -> int:
        """Rule i: a running count, or the block number where there are experts."""
        counters, role = self._counters, entry.role
        index = 0
        if role is Role.FFN_DOWN:
            index, counters.down = counters.down, counters.down + 1
        elif role is Role.FFN_GATE:
            index, counters.gate = counters.gate, counters.gate + 1
        elif role is Role.FFN_UP:
            index, counters.up = counters.up, counters.up + 1
        return entry.block if self._facts.n_expert > 1 else index

    def _place(self, index: int, count: int) -> Place:
        return Place(index, count, self._facts.n_gqa, self._facts.n_expert, self._imatrix)

    def _first(self, rows: Rows, place: Place, letter: str, role: Role) -> _Choice:
        for when, kind in rows:
            if when.holds(place):
                return _Choice(kind, letter, f"{_WORDS[role]}: {when.words}")
        return self._default


def _fallback(choice: _Choice, row_length: int) -> _Choice:
    """Rule m, applied last: the counters run as if it did not exist."""
    if row_length % BLOCK_TYPES[choice.type].block_weights == 0:
        return choice
    kind = FALLBACKS.get(choice.type, "F16")
    if row_length % BLOCK_TYPES[kind].block_weights:
        kind = "F16"
    reason = f"rows of {row_length} do not divide into {choice.type} blocks ({choice.reason})"
    return _Choice(kind, "m", reason)
