"""Which formats of a model to consider on a machine, which are left out, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from whichweights.planning._gguf_table import gguf_model
from whichweights.planning._weight_formats import GGUF_ENGINES
from whichweights.planning.choices import (
    Run,
    choose_engine,
    is_data_centre,
    native_format,
    run_support,
)
from whichweights.planning.device_formats import computes_in
from whichweights.planning.formats import (
    Family,
    QualityLoss,
    Status,
    decode_tag,
    header_of,
    published_loss,
)
from whichweights.planning.memory_types import MemoryPlan, Verdict
from whichweights.planning.running import PlannedRun, RunRequest, plan_run
from whichweights.planning.weights import language_parameters, weigh
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine
from whichweights_schemas.models import ModelSpec

__all__ = [
    "BALANCED_LOSS",
    "I_QUANT_SPEED",
    "I_QUANT_SPEED_DATE",
    "NOT_CONSIDERED",
    "FormatOption",
    "FormatPlans",
    "LeftOut",
    "Quality",
    "formats_to_consider",
    "is_balanced",
    "is_k_quant",
    "is_slow_here",
    "on_devices_alone",
    "plan_formats",
    "rank",
    "serving_engine",
]

Quality = Literal["best", "balanced", "smallest"]

BALANCED_LOSS: Final = 0.05
"""Mean KL divergence, nats per token on Llama 3 8B, that `balanced` accepts: all 5-bit and the
better 4-bit types stay below (Q4_K_S .043), Q4_0 (.072) and all 3-bit types do not."""

BALANCED_BITS: Final = 4
"""Nominal bits that `balanced` accepts where no loss was published."""

GGUF_FORMATS: Final = (
    *("Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_L", "Q3_K_M"),
    *("IQ3_M", "IQ3_XXS", "Q2_K", "IQ2_M", "IQ2_XXS", "IQ1_M"),
)
LAYOUT_FORMATS: Final = ("FP8", "AWQ-Int4", "GPTQ-Int4", "NVFP4", "bnb-NF4")
MLX_FORMATS: Final = ("MLX-8bit", "MLX-6bit", "MLX-4bit", "MLX-3bit")

I_QUANT_SPEED: Final = "llama.cpp wiki, feature matrix (read in a mirror)"
I_QUANT_SPEED_DATE: Final = "2025-03-03"

NOT_CONSIDERED: Final = (
    "not considered: mixes by hand (UD-), Q4_0, EXL, HQQ, torchao; a tag plans one"
)

Kind = Literal["unsupported", "larger", "does_not_fit", "tight", "unknown"]


@dataclass(frozen=True, slots=True)
class FormatOption:
    """One format on one engine, planned. `loss` is None where nothing comparable is published;
    `imatrix`: the file is to be made with one, as it was asked for, as llama-quantize refuses
    without, or as the loss was measured with one. `native_kernels`: every device computes in it."""

    planned: PlannedRun
    nominal_bits: float
    loss: QualityLoss | None
    native: bool
    support: Status
    support_reason: str
    header_bytes: int = 0
    imatrix: bool = False
    native_kernels: bool = False

    @property
    def name(self) -> str:
        """The canonical format."""
        return self.planned.run.quantization

    @property
    def plan(self) -> MemoryPlan:
        """The memory plan of this format."""
        return self.planned.plan

    @property
    def weight_bytes(self) -> int:
        """Weights of the language part, embeddings included, without the vision tower."""
        return self.planned.planner.weights.language

    @property
    def file_bytes(self) -> int:
        """The same with the header of a GGUF file, which is estimated (0 where it cannot be)."""
        return self.weight_bytes + self.header_bytes

    @property
    def bits_per_weight(self) -> float | None:
        """Bits of the file over the weights of this model; None where their number is unknown."""
        count = language_parameters(self.planned.planner.spec)
        return self.weight_bytes * 8 / count if count else None

    @property
    def headroom_bytes(self) -> int | None:
        """What is left on the fullest device; None where the free memory is not known."""
        left = [
            device.usable_bytes - device.needed_bytes
            for device in self.plan.devices
            if device.usable_bytes is not None
            and (device.kind != "cpu" or len(self.plan.devices) == 1)
        ]
        return min(left, default=None)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A format that is not ranked. `reason` does not repeat its name, so that rows can be merged;
    `option` is there when it was planned."""

    name: str
    kind: Kind
    reason: str
    option: FormatOption | None = None


@dataclass(frozen=True, slots=True)
class FormatPlans:
    """`ranked` share one verdict, best first; `options` is all that was planned."""

    ranked: tuple[FormatOption, ...]
    left_out: tuple[LeftOut, ...]
    options: tuple[FormatOption, ...]


def formats_to_consider(
    spec: ModelSpec, engine: Engine | None, devices: Sequence[Accelerator]
) -> tuple[Run, ...]:
    """The maker's own format first, then the common ones of the engine, or of every engine that
    serves such a machine. Largest first within a family."""
    names = dict.fromkeys((native_format(spec), *_families(engine, devices)))
    return tuple(_run(name, engine, devices) for name in names)


def _families(engine: Engine | None, devices: Sequence[Accelerator]) -> Iterator[str]:
    kinds = {device.kind for device in devices}
    if engine in (None, "llama.cpp", "ollama"):
        yield from GGUF_FORMATS
    if engine == "mlx" or (engine is None and "apple" in kinds):
        yield from MLX_FORMATS
    elif engine in ("vllm", "sglang", "transformers") or (engine is None and "gpu" in kinds):
        yield from LAYOUT_FORMATS


def _run(name: str, engine: Engine | None, devices: Sequence[Accelerator]) -> Run:
    if engine is not None:
        return Run(name, engine, "as asked")
    return choose_engine(name, "inference", devices)


def serving_engine(spec: ModelSpec, devices: Sequence[Accelerator]) -> Engine | None:
    """The engine that `auto` takes for safetensors on data-centre devices; None elsewhere."""
    if not any(is_data_centre(device) for device in devices):
        return None
    return choose_engine(native_format(spec), "inference", devices).engine


def plan_formats(
    spec: ModelSpec,
    request: RunRequest,
    quality: Quality,
    only: str | None = None,
    *,
    imatrix: bool = False,
) -> FormatPlans:
    """Plan every format to consider (or `only` one, made with an `imatrix`) and rank what fits.

    Tight plans are ranked only where nothing fits with certainty, plans of unknown verdict only
    where nothing is known to fit.

    Raises:
        UnsupportedArchitecture: neither the shape nor the number of parameters is known.
        UnknownQuantization: the format is not known.
    """
    devices = request.accelerators
    if only is not None:
        runs: tuple[Run, ...] = (_run(only, request.engine, devices),)
    else:
        runs = formats_to_consider(spec, request.engine, devices)
    alone = on_devices_alone(request)
    left: list[LeftOut] = []
    options: list[FormatOption] = []
    for run in runs:
        found = _considered(spec, alone, run, any_size=only is not None, imatrix=imatrix)
        if isinstance(found, LeftOut):
            left.append(found)
        else:
            options.append(found)
    ranked, unfit = _fitting(options)
    return FormatPlans(rank(ranked, quality), (*left, *unfit), tuple(options))


def on_devices_alone(request: RunRequest) -> RunRequest:
    """The request without the system memory beside its devices: a plan that leans on that is a
    way out, not a fit. Without devices the system memory is all there is."""
    kinds = {device.kind for device in request.accelerators}
    return replace(request, memory=None) if kinds - {"cpu"} else request


def _considered(
    spec: ModelSpec, request: RunRequest, run: Run, *, any_size: bool, imatrix: bool
) -> FormatOption | LeftOut:
    status, reason = run_support(run, request.accelerators)
    name, native = run.quantization, native_format(spec)
    if status is Status.NO:
        # The advice after the colon is what this plan is there to give.
        words = reason.replace(name, "this format").partition(": ")[0]
        return LeftOut(name, "unsupported", words)
    if name != native and not any_size:
        own = _run(native, request.engine, request.accelerators)
        size = weigh(spec, name, run.engine).language
        if size >= weigh(spec, native, own.engine).language:
            reason = f"would be larger than the maker's own {native}, and no better"
            return LeftOut(name, "larger", reason)
        if decode_tag(name).nominal_bits >= decode_tag(native).nominal_bits:
            reason = f"has as many bits as the maker's own {native}: converting gains nothing"
            return LeftOut(name, "larger", reason)
    decoded = decode_tag(name)
    loss = None if name == native else _loss(name, imatrix)
    in_gguf = run.engine in GGUF_ENGINES and name != native
    return FormatOption(
        planned=plan_run(spec, request, run),
        nominal_bits=decoded.nominal_bits,
        loss=loss,
        native=name == native,
        support=status,
        support_reason=reason,
        header_bytes=_header(spec, run),
        native_kernels=computes_in(name, request.accelerators),
        imatrix=in_gguf
        and (imatrix or decoded.imatrix is True or (loss is not None and loss.imatrix)),
    )


def _loss(name: str, imatrix: bool) -> QualityLoss | None:
    """The loss with an imatrix where one is asked for and measured, else what there is."""
    return (published_loss(name, imatrix=True) if imatrix else None) or published_loss(name)


def _header(spec: ModelSpec, run: Run) -> int:
    if run.engine not in GGUF_ENGINES:
        return 0
    model = gguf_model(spec)
    if model is None:
        return 0 if spec.vocab_size is None else header_of((), spec.vocab_size).bytes
    return model.header.bytes


_RANKED: Final[tuple[Verdict, ...]] = ("fits", "tight", "unknown")
_UNFIT: Final[dict[Verdict, tuple[Kind, str]]] = {
    "tight": ("tight", "tight: its high end exceeds what is free"),
    "fits_with_offload": ("does_not_fit", "does not fit on the devices alone"),
    "does_not_fit": ("does_not_fit", "does not fit on the devices alone"),
    "unknown": ("unknown", "the free memory is not known"),
}


def _fitting(
    options: Sequence[FormatOption],
) -> tuple[tuple[FormatOption, ...], tuple[LeftOut, ...]]:
    """The options of the best verdict that there is, and the rest with its reason."""
    verdicts = {option.plan.verdict for option in options}
    best = next((verdict for verdict in _RANKED if verdict in verdicts), None)
    ranked = tuple(option for option in options if option.plan.verdict == best)
    unfit = tuple(
        LeftOut(option.name, *_UNFIT[option.plan.verdict], option)
        for option in options
        if option.plan.verdict != best
    )
    return ranked, unfit


def rank(options: Sequence[FormatOption], quality: Quality) -> tuple[FormatOption, ...]:
    """Order options by what is wanted.

    best: least published loss, the maker's own first. balanced: the smallest with a published loss
    of at most BALANCED_LOSS or, without one, of at least BALANCED_BITS; then the rest, least loss
    first. smallest: by the size of the file. An option without a published loss stands behind the
    measured ones of as many nominal bits. Among the unmeasured: more bits first (best) or fewer
    (balanced), then what the device computes in, then the smaller file, then the lesser work.
    """
    if quality == "smallest":
        return tuple(sorted(options, key=lambda option: option.file_bytes))
    losses = {id(option): _level(option, options) for option in options}

    def by_loss(option: FormatOption) -> tuple[float, ...]:
        if not _unmeasured(option):
            return (losses[id(option)], False, option.file_bytes)
        return (losses[id(option)], True, -option.nominal_bits, *_by_speed(option))

    if quality == "best":
        return tuple(sorted(options, key=by_loss))
    within = [option for option in options if is_balanced(option)]
    beyond = [option for option in options if not is_balanced(option)]
    within.sort(key=lambda option: option.file_bytes)
    return (*_unmeasured_by_speed(within), *sorted(beyond, key=by_loss))


def _unmeasured(option: FormatOption) -> bool:
    return option.loss is None and not option.native


def _by_speed(option: FormatOption) -> tuple[float, ...]:
    """What decides where quality does not: the kernels, bytes read a token, then convenience."""
    limited = option.support not in (Status.YES, Status.UNKNOWN)
    calibrated = decode_tag(option.name).calibration == "required"
    return (limited, not option.native_kernels, option.file_bytes, calibrated)


def _unmeasured_by_speed(ordered: Sequence[FormatOption]) -> Iterator[FormatOption]:
    """The unmeasured options change places among themselves; the others stay where they are."""
    among = (option for option in ordered if _unmeasured(option))
    better = iter(sorted(among, key=lambda option: (option.nominal_bits, *_by_speed(option))))
    for option in ordered:
        yield next(better) if _unmeasured(option) else option


def is_balanced(option: FormatOption) -> bool:
    """Whether an option loses no more than `balanced` accepts."""
    if option.native:
        return True
    if option.loss is not None:
        return option.loss.value <= BALANCED_LOSS
    return option.nominal_bits >= BALANCED_BITS


def is_k_quant(option: FormatOption) -> bool:
    """Whether an option is a GGUF file of the K family."""
    return decode_tag(option.name).family is Family.K_QUANT


def is_slow_here(option: FormatOption, devices: Sequence[Accelerator]) -> bool:
    """Whether it is an i-quant on a CPU or on Metal, where those decode slowly."""
    here = not devices or any(device.kind in ("cpu", "apple") for device in devices)
    return here and decode_tag(option.name).family is Family.I_QUANT


def _level(option: FormatOption, options: Sequence[FormatOption]) -> float:
    """Where an option stands among the published losses: for ordering, never shown."""
    if option.native:
        return -1.0
    if option.loss is not None:
        return option.loss.value
    measured = [
        other.loss.value
        for other in options
        if other.loss is not None and other.nominal_bits >= option.nominal_bits
    ]
    return max(measured, default=0.0)
