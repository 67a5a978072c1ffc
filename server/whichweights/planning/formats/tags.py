"""Decoding what people call a quantization: tags, file names, repository names, arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, Literal

from whichweights.planning.formats import _tag_text
from whichweights.planning.formats._reference_model import describe_types, reference_plan
from whichweights.planning.formats._sources import (
    AS_OF,
    LLAMA_FILE_TYPES,
    MIXTURE_BITS,
    NAMING_HABITS,
)
from whichweights.planning.formats._tag_gguf import (
    DYNAMIC_TAGS,
    HAND_MIXES,
    GgufTag,
    HandMix,
    find_gguf_tag,
    find_shard,
)
from whichweights.planning.formats._tag_repos import by_bits, find_layout_name
from whichweights.planning.formats.block_types import BLOCK_TYPES
from whichweights.planning.formats.file_types import (
    FILE_TYPES,
    REFERENCE_MODEL,
    REMOVED_FILE_TYPES,
    Family,
    FileType,
    ImatrixNeed,
)
from whichweights.planning.formats.layouts import LAYOUTS, WeightLayout, layout
from whichweights_schemas.errors import UnknownQuantization
from whichweights_schemas.evidence import Basis

__all__ = ["DecodedTag", "canonical_format", "decode_tag", "known_formats"]

MAX_TAG_CHARACTERS: Final = 512
"""No file or repository name is longer; matching never sees more than this."""

TensorRole = Literal["model", "projector", "adapter", "vocabulary", "draft"]

_ROLE_WORDS: Final[tuple[tuple[str, TensorRole], ...]] = (
    ("mmproj", "projector"),
    ("lora", "adapter"),
    ("vocab", "vocabulary"),
    ("mtp", "draft"),
    ("draft", "draft"),
)
_IMATRIX_MARK: Final = re.compile(r"(?<![a-z0-9])(?:i1[-_. ]|imat(?:rix)?(?![a-z]))")


@dataclass(frozen=True, slots=True)
class DecodedTag:
    """What a tag stands for.

    `bits_per_weight` of a GGUF tag is the whole file of `bits_model`, of another format its
    quantized weights; None has its reason in `bits_note`. `base_file_type` is the nearest choice
    of llama-quantize, `layout_name` the row of LAYOUTS; one of the two is set unless the type was
    removed. `imatrix` None means the name does not tell.
    """

    text: str
    canonical: str
    meaning: str
    family: Family
    nominal_bits: float
    bits_per_weight: float | None
    bits_model: str | None
    bits_note: str
    block_layout: str
    container: str
    basis: Basis
    source: str
    stated_types: tuple[str, ...] = ()
    date: str = AS_OF
    notes: tuple[str, ...] = ()
    base_file_type: str | None = None
    embedding_and_output: str | None = None
    layout_name: str | None = None
    calibration: str = "none"
    imatrix: bool | None = None
    dynamic: bool = False
    removed: bool = False
    replacement: str | None = None
    role: TensorRole = "model"
    shard: tuple[int, int] | None = None

    @property
    def tensor_types(self) -> tuple[str, ...]:
        """Which tensors get what: as the format states it, else by the rule of llama-quantize."""
        file_type = self.base_file_type or self.replacement
        if self.stated_types or file_type is None:
            return self.stated_types
        ends = self.embedding_and_output
        plan = reference_plan(file_type, imatrix=self.imatrix is True, embedding_and_output=ends)
        return describe_types(plan)


def known_formats() -> tuple[str, ...]:
    """Every canonical name, GGUF first. EXL2 and EXL3 come in further widths."""
    return tuple(dict.fromkeys((*FILE_TYPES, *HAND_MIXES, *DYNAMIC_TAGS, *LAYOUTS)))


@lru_cache(maxsize=1024)
def decode_tag(text: str, *, field: str = "tag") -> DecodedTag:
    """Read a tag, a file name or a repository name, in any case and with any separators.

    The last GGUF tag of a name counts, as on the Hub. The header of a file beats its name.

    Raises:
        UnknownQuantization: it names no format, several, or no model at all; `suggestions` holds
            the nearest known names.
    """
    name = text.strip()
    if not name or len(name) > MAX_TAG_CHARACTERS:
        raise UnknownQuantization(
            "a quantization is a short name" if name else "an empty text names no quantization",
            field=field,
            hint=f"Give a tag such as Q4_K_M or a file name, {MAX_TAG_CHARACTERS} letters at most.",
            suggestions=("Q4_K_M", "FP8", "AWQ-Int4"),
        )
    try:
        decoded = _decode(name)
    except UnknownQuantization as error:
        raise UnknownQuantization(
            error.message, field=field, hint=error.hint, suggestions=error.suggestions
        ) from error
    return _with_marks(decoded, name)


def canonical_format(name: str, *, field: str = "quantization") -> str:
    """The canonical name of a format that can be planned ("q4_k_m" -> "Q4_K_M", "nf4" …).

    Raises:
        UnknownQuantization: unknown, ambiguous ("4bit"), removed from llama.cpp, or no model file.
    """
    decoded = decode_tag(name, field=field)
    if decoded.removed:
        raise UnknownQuantization(
            f"{decoded.canonical} was removed from llama.cpp: loading such a file fails",
            field=field,
            hint=f"Use {decoded.replacement}.",
            suggestions=(decoded.replacement or "Q4_0",),
        )
    if decoded.role in ("projector", "adapter", "vocabulary"):
        raise UnknownQuantization(
            f"that file is {_tag_text.ROLE_NOTES[decoded.role]}",
            field=field,
            hint="Name the model file or its tag.",
            suggestions=(decoded.canonical,),
        )
    return decoded.canonical


def _decode(name: str) -> DecodedTag:
    lowered = name.lower()
    gguf_file = "gguf" in lowered
    tag = find_gguf_tag(name)
    if tag is not None and not _is_float(tag):
        return _from_gguf(name, tag)
    found = find_layout_name(lowered)
    if gguf_file and found in ("NVFP4", "MXFP4"):
        return _from_gguf(name, GgufTag("NVFP4" if found == "NVFP4" else "MXFP4_MOE", False))
    if found is not None and not (gguf_file and tag is not None):
        return _from_layout(name, found)
    if tag is not None:
        return _from_gguf(name, tag)
    floats = re.search(r"(?<![a-z0-9])(?:b?float16|half|float32|fp32)(?![a-z0-9])", lowered)
    if floats is not None:
        short = {"bfloat16": "BF16", "float32": "F32", "fp32": "F32"}.get(floats[0], "F16")
        return _from_gguf(name, GgufTag(short, False))
    raise _unknown(name)


def _is_float(tag: GgufTag) -> bool:
    """True for names that safetensors share, where another word may say more."""
    return tag.name in ("F32", "F16", "BF16", "NVFP4")


def _unknown(name: str) -> UnknownQuantization:
    lowered = name.lower()
    shown = name if len(name) <= 60 else f"{name[:57]}..."
    several = by_bits(lowered)
    if several:
        return UnknownQuantization(
            f"'{shown}' fits several formats",
            hint="Name the one you mean; they differ in engine, size and quality.",
            suggestions=several,
        )
    if "imatrix" in lowered:
        return UnknownQuantization(
            f"'{shown}' is an importance matrix, not a model",
            hint="Name the model file or its tag.",
            suggestions=("Q4_K_M", "IQ4_XS"),
        )
    known = {key.lower(): key for key in known_formats()}
    last = re.split(r"[/\\]", lowered)[-1]
    near = get_close_matches(last.replace("-", "_"), known, n=5, cutoff=0.5)
    return UnknownQuantization(
        f"'{shown}' names no known quantization",
        hint="Use a tag such as Q4_K_M, FP8 or AWQ-Int4, or the file name with its tag.",
        suggestions=tuple(known[key] for key in near) or ("Q4_K_M", "Q8_0", "FP8", "AWQ-Int4"),
    )


def _with_marks(decoded: DecodedTag, name: str) -> DecodedTag:
    """Add what the rest of the name tells: shard, and files that are not the model."""
    lowered = name.lower()
    notes = list(decoded.notes)
    shard, role = find_shard(name), _role(lowered)
    if shard is not None:
        notes.append(f"part {shard[0]} of {shard[1]}: the model is the sum of all parts")
    if role != "model":
        notes.append(_tag_text.ROLE_NOTES[role])
    if _IMATRIX_MARK.search(lowered):
        notes.append("the name says that an imatrix was used")
    return replace(decoded, notes=tuple(notes), shard=shard, role=role)


def _role(lowered: str) -> TensorRole:
    words = set(re.split(r"[^a-z0-9]+", lowered))
    for word, role in _ROLE_WORDS:
        if word in words:
            return role
    return "model"


def _from_gguf(text: str, tag: GgufTag) -> DecodedTag:
    removed = REMOVED_FILE_TYPES.get(tag.name)
    mix = HAND_MIXES.get(tag.name)
    base = FILE_TYPES[removed.replacement if removed else mix.base if mix else tag.name]
    decoded = _from_file_type(text, base)
    if removed is not None:
        return replace(
            decoded,
            canonical=removed.name,
            meaning=_tag_text.removed(removed.name, removed.replacement),
            bits_per_weight=None,
            bits_model=None,
            bits_note=f"removed; its blocks were those of {base.name}",
            base_file_type=None,
            removed=True,
            replacement=removed.replacement,
        )
    if mix is not None:
        decoded = _as_hand_mix(decoded, tag.name, mix)
    if tag.dynamic:
        decoded = _as_dynamic(decoded, tag.name)
    return decoded


def _from_file_type(text: str, kind: FileType) -> DecodedTag:
    lowered = text.lower()
    is_float = kind.family is Family.FLOAT
    in_gguf = "gguf" in lowered or not (is_float or kind.name == "NVFP4")
    needs_it = kind.imatrix is ImatrixNeed.REQUIRED
    has_it = needs_it or _IMATRIX_MARK.search(lowered) is not None
    block = BLOCK_TYPES[kind.default_type]
    decoded = DecodedTag(
        text=text,
        canonical=kind.name,
        meaning=_tag_text.meaning(kind),
        family=kind.family,
        nominal_bits=kind.nominal_bits,
        bits_per_weight=kind.bits_per_weight if has_it else kind.bits_per_weight_plain,
        bits_model=None if kind.bits_per_weight is None else REFERENCE_MODEL,
        bits_note=_tag_text.bits_note(kind),
        block_layout=f"{block.name}: {block.layout} ({block.bits_per_weight:g} bits per weight)",
        stated_types=_tag_text.WITHOUT_RULE.get(kind.name, ()),
        container="gguf",
        basis="computed",
        source=f"{LLAMA_FILE_TYPES}; bits: {MIXTURE_BITS}",
        notes=_tag_text.notes(kind),
        base_file_type=kind.name,
        calibration=_tag_text.imatrix_words(kind.imatrix),
        imatrix=True if has_it else None,
    )
    return decoded if in_gguf else _outside_gguf(decoded)


def _outside_gguf(decoded: DecodedTag) -> DecodedTag:
    """Plain floats of a checkpoint: every weight, norms included, has the same width."""
    return replace(
        decoded,
        bits_per_weight=decoded.nominal_bits,
        bits_model=None,
        bits_note="every weight",
        stated_types=(f"every tensor: {decoded.canonical}",),
        container="safetensors",
        source="definition of the number format",
    )


def _as_hand_mix(decoded: DecodedTag, name: str, mix: HandMix) -> DecodedTag:
    changed = replace(
        decoded,
        canonical=name,
        meaning=f"{name}: {mix.habit}. The body is near to {mix.base}.",
        embedding_and_output=mix.embedding_and_output,
        source=NAMING_HABITS,
        notes=(*decoded.notes, _tag_text.NOT_LLAMA_QUANTIZE),
    )
    if mix.embedding_and_output is None:
        return _without_bits(changed)
    plan = reference_plan(
        mix.base,
        imatrix=decoded.imatrix is True,
        embedding_and_output=mix.embedding_and_output,
    )
    return replace(
        changed,
        bits_per_weight=round(plan.bits_per_weight, 4),
        bits_note=f"computed for {mix.base} with both ends in {mix.embedding_and_output}",
    )


def _as_dynamic(decoded: DecodedTag, name: str) -> DecodedTag:
    changed = replace(
        decoded,
        canonical=f"UD-{name}",
        meaning=f"UD-{name}: Unsloth Dynamic, a type per tensor chosen for this model, "
        f"near to {decoded.base_file_type}.",
        embedding_and_output=None,
        source=NAMING_HABITS,
        dynamic=True,
    )
    return _without_bits(changed)


def _without_bits(decoded: DecodedTag) -> DecodedTag:
    return replace(
        decoded,
        bits_per_weight=None,
        bits_model=None,
        bits_note="the publisher chose per tensor: read the file, the tag does not tell its size",
        stated_types=("chosen per tensor by the publisher: read the tensor list of the file",),
        basis="published",
    )


def _from_layout(text: str, name: str) -> DecodedTag:
    if name in FILE_TYPES and name not in LAYOUTS:
        return _from_file_type(text, FILE_TYPES[name])
    row: WeightLayout = layout(name)
    bits = row.bits_per_weight()
    return DecodedTag(
        text=text,
        canonical=row.name,
        meaning=_tag_text.layout_meaning(row),
        family=row.family,
        nominal_bits=row.bits,
        bits_per_weight=bits,
        bits_model=None,
        bits_note=f"of the quantized weights: {row.formula}",
        block_layout=_tag_text.layout_blocks(row),
        stated_types=(f"linear layers: {bits:.4g} bits", _tag_text.sixteen_bit(row)),
        container=row.container,
        basis="published" if row.container in ("exl2", "exl3") else "computed",
        source=row.source,
        notes=_tag_text.layout_notes(row, text.lower()),
        layout_name=row.name,
        calibration=row.calibration.value,
    )
