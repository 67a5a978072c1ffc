"""What rules a model out before anything is planned: cheap, pure, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whichweights.planning.formats import decode_tag
from whichweights.planning.licenses import read_license
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.tools.recommend_model import Rejection, Requirement, Task

__all__ = ["TOO_LARGE", "Rejections", "Wishes", "floor_bytes", "room_bytes", "why_not"]

EXAMPLES = 3
TOO_LARGE = "too large at 4 bits a weight"
# No format of the common ladders stores a weight in fewer bits (AWQ 4.16, Q4_K_M 4.8).
SMALLEST_BITS = 4.0
# GGUF mixtures and scales move a format's real size a little around its nominal bits.
_SLACK = 0.93


@dataclass(frozen=True)
class Wishes:
    """The hard conditions of a request. `room_bytes` null: the free memory is not known."""

    task: Task
    context_tokens: int | None
    license: str
    requires: tuple[Requirement, ...]
    room_bytes: int | None


class Rejections:
    """Counts why models were left out, with a few examples each."""

    def __init__(self) -> None:
        self._models: dict[str, list[str]] = {}
        self._plain: dict[str, int] = {}

    def add(self, reason: str, model: str) -> None:
        """Count a model under a reason, as a possible example."""
        self._models.setdefault(reason, []).append(model)

    def count(self, reason: str, models: int) -> None:
        """Count models under a reason that needs no examples."""
        if models:
            self._plain[reason] = self._plain.get(reason, 0) + models

    def rows(self) -> tuple[Rejection, ...]:
        """The reasons, most frequent first; examples do not depend on the order of adding."""
        rows = [
            Rejection(reason=reason, count=len(models), examples=tuple(sorted(models)[:EXAMPLES]))
            for reason, models in self._models.items()
        ]
        rows += [
            Rejection(reason=reason, count=models, examples=())
            for reason, models in self._plain.items()
        ]
        return tuple(sorted(rows, key=lambda row: (-row.count, row.reason)))


def room_bytes(accelerators: Sequence[Accelerator], memory: Accelerator | None) -> int | None:
    """Free bytes of the devices together, of system memory without any; None = not known."""
    devices = [device for device in accelerators if device.kind != "cpu"]
    if not devices:
        return memory.free_bytes if memory else None
    free = [device.free_bytes for device in devices]
    return None if None in free else sum(size or 0 for size in free)


def why_not(spec: ModelSpec, wishes: Wishes) -> str | None:
    """The first condition a model misses, in words; None when it meets all."""
    return next(_reasons(spec, wishes), None)


def _reasons(spec: ModelSpec, wishes: Wishes) -> Iterator[str]:
    yield from _license(spec, wishes.license)
    if spec.kind == "encoder" and wishes.task != "classification":
        yield "an encoder: writes no text"
    vision = wishes.task == "vision" or "vision" in wishes.requires
    if vision and "image" not in spec.input_modalities:
        yield "does not read images"
    for name in ("tool_use", "reasoning"):
        if name in wishes.requires:
            yield from _skill(name, getattr(spec, name))
    yield from _window(spec, wishes.context_tokens)
    least = floor_bytes(spec, None)
    if least is None:
        yield "size unknown"
    elif wishes.room_bytes is not None and least > wishes.room_bytes:
        yield TOO_LARGE


def _license(spec: ModelSpec, wanted: str) -> Iterator[str]:
    if wanted == "any":
        return
    reading = read_license(spec.license)
    if reading.commercial_use == "unknown":
        yield "licence unknown"
    elif wanted == "commercial" and not reading.allows_commercial_use:
        yield "licence forbids commercial use"
    elif wanted == "open" and not reading.open_source:
        yield "licence openness unknown" if reading.open_source is None else "licence not open"


def _skill(name: str, has: bool | None) -> Iterator[str]:
    words = name.replace("_", " ")
    if has is None:
        yield f"{words} unknown"
    elif not has:
        yield f"no {words}"


def _window(spec: ModelSpec, context_tokens: int | None) -> Iterator[str]:
    if context_tokens is None:
        return
    if spec.max_context_tokens is None:
        yield "window unknown"
    elif spec.max_context_tokens < context_tokens:
        yield f"window below {context_tokens:,} tokens"


def floor_bytes(spec: ModelSpec, quantization: str | None) -> int | None:
    """Bytes the weights cannot be smaller than: without embedding and vision; None = size unknown.

    `quantization` null: in the smallest common format, or the native one where that is smaller.
    """
    parameters = spec.parameters.language or spec.parameters.total
    if not parameters:
        return None
    if spec.parameters.language is None:
        parameters -= spec.parameters.vision or 0
    embedding = (spec.vocab_size or 0) * (spec.hidden_size or 0)
    counted = max(parameters - embedding, 0)
    if quantization is not None:
        bits = decode_tag(quantization).nominal_bits * _SLACK
    else:
        native = decode_tag(spec.native.format).nominal_bits if spec.native else 16.0
        bits = min(native * _SLACK, SMALLEST_BITS)
    return int(counted * bits / 8)
