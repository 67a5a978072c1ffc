"""The answer of estimate_vram in a few sentences: the verdict, what binds it, the next step."""

from __future__ import annotations

from collections.abc import Iterator

from whichweights_schemas.tools.estimate_vram import EstimateVramResult, MemoryGib

_VERDICTS = {
    "fits": "fits",
    "tight": "is tight",
    "fits_with_offload": "fits only with part of it in system memory",
    "does_not_fit": "does not fit",
    "unknown": "may or may not fit (the free memory is not known)",
}
CANNOT_RUN = "cannot run"
"""In the first warning when the engine does not run the format on the devices at all."""

_WARNINGS_SHOWN = 3
_WORTH_SAYING_GIB = 0.1


def vram_text(result: EstimateVramResult) -> str:
    """At most about 120 words."""
    return " ".join((_verdict(result), *_parts(result), *_ways_out(result), *_caveats(result)))


def _verdict(result: EstimateVramResult) -> str:
    settings, memory = result.settings, result.memory_gib
    where = _devices(result)
    context = f"{settings.context_tokens:,} tokens"
    if settings.concurrent_sequences > 1:
        context += f" x {settings.concurrent_sequences} sequences"
    work = "" if settings.workload == "inference" else f" ({settings.workload})"
    beside = _in_system_memory(result)
    sentence = (
        f"{result.model.id} as {settings.quantization} with {settings.engine}{work} at {context} "
        f"{_VERDICTS[result.verdict]}{where}: {memory.total:.1f} GiB "
        f"({memory.low:.1f}-{memory.high:.1f}){beside}."
    )
    if result.warnings and CANNOT_RUN in result.warnings[0]:
        return f"{sentence} But {result.warnings[0]}."
    return sentence


def _devices(result: EstimateVramResult) -> str:
    """Where it lies; system memory is named where the verdict leans on it."""
    leaning = result.verdict == "fits_with_offload" or not result.settings.accelerators
    devices = [device for device in result.devices if leaning or device.kind != "cpu"]
    if not devices:
        return ""
    names = list(result.settings.accelerators)
    names += dict.fromkeys(device.name for device in devices if device.kind == "cpu")
    free = [None if d.free_gib is None else d.count * d.free_gib for d in devices]
    known = [value for value in free if value is not None]
    total = f", {sum(known):.1f} GiB free" if len(known) == len(free) else ""
    return f" on {' + '.join(names)}{total}"


def _in_system_memory(result: EstimateVramResult) -> str:
    """How much of the total lies beside the devices, where the free memory of these is compared."""
    if result.verdict == "fits_with_offload" or not result.settings.accelerators:
        return ""
    beside = sum(
        device.needed_gib * device.count for device in result.devices if device.kind == "cpu"
    )
    return f", {beside:.1f} of it in system memory" if beside >= _WORTH_SAYING_GIB else ""


def _parts(result: EstimateVramResult) -> Iterator[str]:
    memory, training = result.memory_gib, result.settings.workload != "inference"
    yield f"{', '.join(f'{name} {gib:.2f}' for name, gib in _shown(memory, training))} GiB."
    limit = result.limits.max_context_tokens
    if limit:
        what = "training sequence" if training else "context"
        yield f"Longest {what} that fits: {limit:,} tokens."
    speed = result.speed.decode_tokens_per_second
    if speed is not None:
        yield f"About {speed.low:.0f}-{speed.high:.0f} tokens/s for one user."
    native = result.settings.native_quantization
    made = result.model.source != "generic"  # a bare size has no maker
    if made and native and native != result.settings.quantization:
        yield f"The maker's own format is {native}."


def _shown(memory: MemoryGib, training: bool) -> Iterator[tuple[str, float]]:
    yield "weights", memory.weights
    if training:
        yield "gradients", memory.gradients
        yield "optimizer", memory.optimizer
        yield "activations", memory.activations
    else:
        yield "KV cache", memory.kv_cache
        if memory.recurrent_state:
            yield "state", memory.recurrent_state
        yield "buffers", memory.activations
    yield "runtime", memory.runtime


def _ways_out(result: EstimateVramResult) -> Iterator[str]:
    if result.alternatives:
        ways = "; ".join(
            f"{a.change} ({a.verdict.replace('_', ' ')}, {a.total_gib:.1f} GiB)"
            for a in result.alternatives
        )
        yield f"What would change it: {ways}."


def _caveats(result: EstimateVramResult) -> Iterator[str]:
    recipe = result.settings.options.get("recipe")
    if recipe is not None:
        switches = result.settings.options
        yield (
            f"Recipe assumed where not given: {recipe}, {switches.get('optimizer')}, "
            f"checkpointing {'on' if switches.get('gradient_checkpointing') else 'off'}; "
            "recipes of one model differ 13-fold."
        )
    elif result.settings.engine_version is None:
        yield f"Assumed: a current {result.settings.engine}."
    warnings = [warning for warning in result.warnings if CANNOT_RUN not in warning]
    yield from (f"{warning[0].upper()}{warning[1:]}." for warning in warnings[:_WARNINGS_SHOWN])
    if len(warnings) > _WARNINGS_SHOWN:
        yield f"{len(warnings) - _WARNINGS_SHOWN} more in warnings."
