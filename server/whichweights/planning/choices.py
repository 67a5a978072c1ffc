"""What `auto` means: which formats to try for a model, in which order, on which engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whichweights.planning.device_formats import traits
from whichweights.planning.formats import LAYOUTS, Status, canonical_format, decode_tag, supports
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.deployment import Engine, Workload
from whichweights_schemas.models import ModelSpec

DEFAULT_GGUF = "Q4_K_M"

# Best first: published mean KLD on Llama 3 8B .0014, .0055, .011, .031 (llama.cpp quantize README).
GGUF_LADDER = ("Q8_0", "Q6_K", "Q5_K_M", DEFAULT_GGUF)
MLX_LADDER = ("MLX-8bit", "MLX-6bit", "MLX-4bit")
VLLM_LADDER = ("FP8", "AWQ-Int4")

_SIXTEEN_BIT = frozenset({"BF16", "F16"})
_BOTH_WORLDS = _SIXTEEN_BIT | {"F32", "MXFP4", "NVFP4"}
# Words in the names of NVIDIA and AMD data-centre devices; everything else counts as consumer
# (an "RTX A4000" is a workstation card, an "A40" is not).
_DATA_CENTRE = re.compile(
    r"(A2|A10G?|A16|A30|A40|A100X?|A800|L4|L20|L40S?|T4G?|P40|P100|V100S?|H20|H100|H200|H800"
    r"|GH200|B100|B200|B300|GB200|GB300|INSTINCT|MI\d{2,3}[AX]?)"
)


@dataclass(frozen=True)
class Run:
    """A format and the engine to run it with. `why` says who chose."""

    quantization: str
    engine: Engine
    why: str


def is_data_centre(device: Accelerator) -> bool:
    """Whether a device is of a data-centre line, by its name."""
    words = device.name.upper().replace("-", " ").split()
    return any(_DATA_CENTRE.fullmatch(word) for word in words)


def is_gguf(name: str) -> bool:
    """Whether a canonical format is a GGUF file type only."""
    return name not in _BOTH_WORLDS and name not in LAYOUTS


def choose_engine(quantization: str, workload: Workload, devices: Sequence[Accelerator]) -> Run:
    """The engine for a format on a machine.

    GGUF, CPU and AMD consumer cards: llama.cpp. Apple: mlx for MLX weights, else llama.cpp.
    Safetensors on NVIDIA data-centre or several devices: vllm; on one consumer card that a GGUF
    format serves: llama.cpp. Training: transformers.
    """
    gpus = [device for device in devices if device.kind != "cpu"]

    def run(engine: Engine, why: str) -> Run:
        return Run(quantization, engine, why)

    if workload != "inference":
        return run("transformers", "training runs on transformers")
    if quantization.startswith("MLX"):
        return run("mlx", "MLX weights")
    if is_gguf(quantization):
        return run("llama.cpp", "GGUF weights")
    both = quantization in _BOTH_WORLDS
    if not gpus or gpus[0].kind == "apple":
        return run("llama.cpp", "no GPU" if not gpus else "Apple device")
    amd_consumer = (gpus[0].vendor or "").upper() == "AMD" and not is_data_centre(gpus[0])
    if both and amd_consumer:
        return run("llama.cpp", "AMD consumer card")
    if both and len(gpus) == 1 and not is_data_centre(gpus[0]):
        return run("llama.cpp", "one consumer card that a GGUF file serves")
    return run("vllm", "safetensors weights on a GPU")


def candidate_runs(
    spec: ModelSpec,
    *,
    quantization: str,
    engine: Engine | None,
    workload: Workload,
    devices: Sequence[Accelerator],
) -> tuple[Run, ...]:
    """The runs to try, best quality first; the last one stands when none fits.

    `quantization`: auto, native, or a format. Raises UnknownQuantization.
    """
    if quantization not in ("auto", "native"):
        name = canonical_format(quantization)
        return (_with_engine(name, engine, workload, devices),)
    native = native_format(spec)
    if quantization == "native" or workload == "full_finetune":
        return (_with_engine(native, engine, workload, devices),)
    if workload != "inference":
        name = "bnb-NF4" if workload == "qlora" else native
        return (_with_engine(name, engine, workload, devices),)
    names = (native, *_ladder(spec, engine, devices))
    runs = [_with_engine(name, engine, workload, devices) for name in dict.fromkeys(names)]
    supported = [run for run in runs if run_status(run, devices) is not Status.NO]
    return tuple(supported or runs[-1:])


def native_format(spec: ModelSpec) -> str:
    """The maker's own format; 16-bit where the catalogue does not know it."""
    return spec.native.format if spec.native else "BF16"


def _ladder(
    spec: ModelSpec, engine: Engine | None, devices: Sequence[Accelerator]
) -> Iterator[str]:
    gpus = [device for device in devices if device.kind != "cpu"]
    native = native_format(spec)
    if engine == "mlx":
        yield from MLX_LADDER
    elif engine in ("vllm", "sglang", "transformers"):
        yield from _below(native, VLLM_LADDER)
    else:
        if engine is None and gpus and choose_engine(native, "inference", gpus).engine == "vllm":
            yield from _below(native, VLLM_LADDER)
        yield from _below(native, GGUF_LADDER)


def _below(native: str, ladder: Sequence[str]) -> Iterator[str]:
    return (name for name in ladder if _bits(name) < _bits(native))


def _bits(name: str) -> float:
    return decode_tag(name).nominal_bits


def _with_engine(
    name: str, engine: Engine | None, workload: Workload, devices: Sequence[Accelerator]
) -> Run:
    if engine is not None:
        return Run(name, engine, "as asked")
    return choose_engine(name, workload, devices)


def run_status(run: Run, devices: Sequence[Accelerator]) -> Status:
    """Whether the engine runs the format on these devices, the worst of them deciding."""
    return run_support(run, devices)[0]


def run_support(run: Run, devices: Sequence[Accelerator]) -> tuple[Status, str]:
    """The same with the reason. Devices of unknown kind make it unknown, never a no."""
    order = (Status.NO, Status.UNKNOWN, Status.PARTIAL, Status.YES)
    answers: list[tuple[Status, str]] = []
    for device in devices:
        known = traits(device)
        if known is None:
            answers.append((Status.UNKNOWN, f"what {device.name} can run is not known"))
            continue
        support = supports(run.engine, run.quantization, known)
        answers.append((support.status, support.reason))
    return min(answers, key=lambda answer: order.index(answer[0]), default=(Status.YES, ""))
