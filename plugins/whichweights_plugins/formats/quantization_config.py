"""From the quantization section of a config to the Quantization of its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from whichweights_plugins.formats._config_fields import Fields
from whichweights_plugins.formats._quantization_groups import WeightGroup, named_group
from whichweights_schemas.errors import UnknownQuantization, UnsupportedArchitecture
from whichweights_schemas.quantization import Quantization, WeightContainer

__all__ = ["quantization_from_config", "quantization_from_modelopt"]

_MAX_GROUPS: Final = 256
_SECTIONS: Final = ("quantization_config", "compression_config", "quantization")


def quantization_from_config(config: Mapping[str, object]) -> Quantization | None:
    """How a config.json says the weights are stored; None where it says nothing.

    `bits_per_weight` is of the quantized matrices, scales and zero points included.

    Raises:
        UnknownQuantization: a method or a width that has no canonical name.
        MalformedFile: the section holds values that make no sense.
    """
    for holder in (config, config.get("text_config")):
        if not isinstance(holder, Mapping):
            continue
        values = cast("Mapping[str, object]", holder)
        for key in _SECTIONS:
            section = values.get(key)
            if isinstance(section, Mapping) and section:
                found = _read(cast("Mapping[str, object]", section), in_mlx=key == "quantization")
                return _with_fp4_experts(values, found)
    return None


def quantization_from_modelopt(document: Mapping[str, object]) -> Quantization | None:
    """As `quantization_from_config`, from the hf_quant_config.json that ModelOpt writes."""
    section = document.get("quantization")
    if not isinstance(section, Mapping):
        return None
    return _complete(_modelopt, Fields(cast("Mapping[str, object]", section), "modelopt"))


def _with_fp4_experts(values: Mapping[str, object], found: Quantization) -> Quantization:
    """DeepSeek V4 states FP8 in the section, and the type of its experts outside it."""
    if values.get("expert_dtype") != "fp4" or not found.format.startswith("FP8"):
        return found
    return Quantization(format="MXFP4", note="FP4 experts, FP8 elsewhere")


def _read(section: Mapping[str, object], *, in_mlx: bool) -> Quantization:
    fields = Fields(section, "quantized")
    method = (fields.text("quant_method") or "").lower().replace("_", "-")
    if not method and in_mlx:
        return _mlx(fields)
    if not method:
        method = (
            "bitsandbytes" if fields.has("load_in_4bit") else "mlx" if fields.has("mode") else ""
        )
    reader = _METHODS.get(method)
    if reader is None:
        raise _no_name(f"the method {method[:40] or '(unnamed)'}")
    return _complete(reader, fields)


def _complete(reader: Callable[[Fields], Quantization], fields: Fields) -> Quantization:
    """What the reader finds; a field it misses makes the format unknown."""
    try:
        return reader(fields)
    except UnsupportedArchitecture as error:
        raise _no_name("a quantization section that is incomplete") from error


def _no_name(what: str) -> UnknownQuantization:
    return UnknownQuantization(
        f"{what} has no canonical name here",
        field="quantization",
        hint="The sizes of the weight files still tell the bytes.",
    )


def _named(
    name: str,
    bits: float | None,
    note: str | None = None,
    container: WeightContainer = "safetensors",
) -> Quantization:
    return Quantization(format=name, container=container, bits_per_weight=bits, note=note)


def _group_size(fields: Fields, key: str = "group_size") -> int:
    """Weights that share a scale; -1 = a whole row."""
    return -1 if fields.raw(key) in (-1, None) else fields.integer(key)


def _gptq(fields: Fields) -> Quantization:
    bits, group = fields.integer("bits"), _group_size(fields)
    if bits == 4 and group == -1:
        return _named("GPTQ-Int4-per-channel", 4.0)
    if bits == 4 and group in (32, 64, 128):
        suffix = "" if group == 128 else f"-g{group}"
        return _named(f"GPTQ-Int4{suffix}", 4 + 20 / group)
    if bits == 8 and group in (128, -1):
        note = None if group == 128 else "one scale for a whole row"
        return _named("GPTQ-Int8", 8 + 24 / 128 if group == 128 else 8.0, note)
    raise _no_name(f"GPTQ with {bits} bits in groups of {group}")


def _awq(fields: Fields) -> Quantization:
    bits = fields.integer("bits", "w_bit")
    group = fields.integer("group_size", "q_group_size")
    if bits != 4 or group < 1:
        raise _no_name(f"AWQ with {bits} bits in groups of {group}")
    note = None if group == 128 else f"groups of {group}"
    return _named("AWQ-Int4", 4 + 20 / group, note)


def _fp8(fields: Fields) -> Quantization:
    block = fields.integers("weight_block_size")
    if block is None:
        return _named("FP8", 8.0, _activations(fields))
    if len(block) != 2 or 0 in block:
        raise _no_name("FP8 in blocks of that shape")
    note = None if block == (128, 128) else f"blocks of {block[0]} x {block[1]}"
    return _named("FP8-block", 8 + 32 / (block[0] * block[1]), note)


def _activations(fields: Fields) -> str | None:
    scheme = fields.text("activation_scheme")
    return f"{scheme} activation scales" if scheme in ("static", "dynamic") else None


def _bitsandbytes(fields: Fields) -> Quantization:
    if fields.switched("load_in_8bit"):
        return _named("bnb-Int8", 8.0)
    if not fields.switched("load_in_4bit"):
        raise _no_name("bitsandbytes without 4 or 8 bits")
    double = fields.switched("bnb_4bit_use_double_quant")
    kind = fields.text("bnb_4bit_quant_type") or "fp4"
    bits = 4 + 8 / 64 + 32 / (64 * 256) if double else 4.5
    skipped = len(fields.list("llm_int8_skip_modules") or ())
    note = f"{skipped} kinds of module kept in 16 bits" if skipped > 1 else None
    if kind == "nf4":
        return _named("bnb-NF4-DQ" if double else "bnb-NF4", bits, note)
    if kind == "fp4":
        return _named("bnb-FP4", bits, "double quantization" if double else note)
    raise _no_name(f"bitsandbytes {kind[:20]}")


def _mxfp4(fields: Fields) -> Quantization:
    return _named("MXFP4", 4.25, "MXFP4 experts, everything else in BF16")


def _nvfp4(fields: Fields) -> Quantization:
    return _named("NVFP4", 4.5)


def _mxfp8(fields: Fields) -> Quantization:
    return _named("MXFP8", 8.25)


_MLX_FLOATS: Final = {"mxfp4": 4.25, "nvfp4": 4.5, "mxfp8": 8.25}


def _mlx(fields: Fields) -> Quantization:
    mode = fields.text("mode") or "affine"
    exceptions = fields.count_sections()
    note = f"{exceptions} modules stored otherwise" if exceptions else None
    if mode in _MLX_FLOATS:
        return _named(f"MLX-{mode.upper()}", _MLX_FLOATS[mode], note, "mlx")
    bits, group = fields.integer("bits"), fields.integer("group_size", default=64)
    if mode != "affine" or bits not in (2, 3, 4, 5, 6, 8) or group not in (32, 64, 128):
        raise _no_name(f"MLX {mode[:20]} with {bits} bits in groups of {group}")
    suffix = "" if group == 64 else f"-g{group}"
    return _named(f"MLX-{bits}bit{suffix}", bits + 32 / group, note, "mlx")


def _compressed_tensors(fields: Fields) -> Quantization:
    found = _groups(fields)
    if not found:
        raise _no_name("compressed-tensors without groups")
    smallest = min(found, key=lambda group: group.bits_per_weight)
    others = sorted({group.name for group in found} - {smallest.name})
    notes = [smallest.note] if smallest.note else []
    notes += [f"some layers {', '.join(others)}"] if others else []
    bits = None if others else smallest.bits_per_weight
    return _named(smallest.name, bits, "; ".join(notes) or None)


def _groups(fields: Fields) -> list[WeightGroup]:
    """The weight formats of all config groups that quantize weights."""
    groups = fields.section("config_groups")
    if groups is None:
        return []
    found: list[WeightGroup] = []
    for key in groups.section_names()[:_MAX_GROUPS]:
        group = groups.section(key)
        weights = group.section("weights") if group is not None else None
        if group is None or weights is None:
            continue
        named = named_group(weights, activations=group.section("input_activations"))
        if named is None:
            bits, kind = weights.raw("num_bits"), str(weights.raw("type"))[:20]
            raise _no_name(f"compressed-tensors {kind} with {bits} bits")
        found.append(named)
    return found


_MODELOPT: Final[Mapping[str, tuple[str, float]]] = {
    "NVFP4": ("NVFP4", 4.5),
    "NVFP4_AWQ": ("NVFP4", 4.5),
    "W4A16_NVFP4": ("NVFP4", 4.5),
    "FP8": ("FP8", 8.0),
    "FP8_PER_CHANNEL_PER_TOKEN": ("FP8-dynamic", 8.0),
    "FP8_PB_WO": ("FP8-block", 8 + 32 / 128**2),
    "FP8_PB_REAL": ("FP8-block", 8 + 32 / 128**2),
    "MXFP8": ("MXFP8", 8.25),
    "W4A16_AWQ": ("AWQ-Int4", 4 + 16 / 128),
    "W8A8_SQ_PER_CHANNEL": ("W8A8-INT8", 8.0),
}


def _modelopt(fields: Fields) -> Quantization:
    algorithm = (fields.text("quant_algo") or "").upper()
    if algorithm == "MIXED_PRECISION":
        return _modelopt_mixed(fields)
    found = _MODELOPT.get(algorithm)
    if found is not None:
        return _named(*found)
    if fields.section("config_groups") is not None:
        return _compressed_tensors(fields)
    raise _no_name(f"ModelOpt {algorithm[:30] or 'without an algorithm'}")


def _modelopt_mixed(fields: Fields) -> Quantization:
    layers = fields.section("quantized_layers")
    if layers is None:
        raise _no_name("ModelOpt mixed precision without its list of layers")
    sections = [layers.section(key) for key in layers.section_names()]
    names = {(row.text("quant_algo") or "").upper() for row in sections if row is not None}
    known = sorted((_MODELOPT[name] for name in names if name in _MODELOPT), key=lambda row: row[1])
    if not known or len(known) != len(names):
        raise _no_name("ModelOpt mixed precision of these kinds")
    others = ", ".join(dict.fromkeys(name for name, _ in known[1:]))
    return _named(known[0][0], None, f"some layers {others}" if others else None)


def _auto_round(fields: Fields) -> Quantization:
    bits, group = fields.integer("bits"), _group_size(fields)
    if bits != 4 or group < 1:
        raise _no_name(f"AutoRound with {bits} bits in groups of {group}")
    note = None if group == 128 else f"groups of {group}"
    return _named("AutoRound-Int4", 4 + 20 / group, note)


def _torchao(fields: Fields) -> Quantization:
    kind, group = fields.raw("quant_type"), 128
    section = fields.section("quant_type")
    inner = section.section("default") if section is not None else None
    if inner is not None:
        kind = inner.raw("_type")
        data = inner.section("_data")
        group = (data.optional("group_size") if data else None) or 128
    name = kind.lower().replace("_", "") if isinstance(kind, str) else ""
    if name.startswith("int4weightonly") and group in (32, 128):
        return _named("torchao-Int4" + ("-g32" if group == 32 else ""), 4 + 32 / group)
    if name.startswith(("int8weightonly", "int8dynamic")):
        return _named("torchao-Int8", 8.0)
    if name.startswith("float8"):
        return _named("FP8-dynamic", 8.0, "torchao")
    raise _no_name(f"torchao {name[:40]}")


def _hqq(fields: Fields) -> Quantization:
    inner = fields.section("quant_config")
    weights = inner.section("weight_quant_params") if inner is not None else None
    if weights is None:
        raise _no_name("HQQ without one setting for all layers")
    bits, group = weights.integer("nbits"), weights.integer("group_size")
    if bits != 4 or group < 1:
        raise _no_name(f"HQQ with {bits} bits in groups of {group}")
    note = None if group == 64 else f"groups of {group}"
    return _named("HQQ-Int4", 4 + 32 / group, note)


def _exl(version: int) -> Callable[[Fields], Quantization]:
    def read(fields: Fields) -> Quantization:
        bits = fields.number("bits")
        if bits is None or not 1 <= bits <= 8:
            raise _no_name(f"EXL{version} without its bits per weight")
        name = f"EXL{version}-{bits:.2f}".removesuffix("0") + "bpw"
        return _named(name, bits, container="exl2" if version == 2 else "exl3")

    return read


_METHODS: Final[Mapping[str, Callable[[Fields], Quantization]]] = {
    "gptq": _gptq,
    "awq": _awq,
    "fp8": _fp8,
    "fbgemm-fp8": lambda fields: _named("FP8-dynamic", 8.0),
    "compressed-tensors": _compressed_tensors,
    "bitsandbytes": _bitsandbytes,
    "mxfp4": _mxfp4,
    "nvfp4": _nvfp4,
    "mxfp8": _mxfp8,
    "modelopt": _modelopt,
    "modelopt-fp4": lambda fields: _named("NVFP4", 4.5),
    "mlx": _mlx,
    "auto-round": _auto_round,
    "intel/auto-round": _auto_round,
    "torchao": _torchao,
    "hqq": _hqq,
    "exl2": _exl(2),
    "exl3": _exl(3),
}
