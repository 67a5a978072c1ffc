"""The answer of estimate_vram in a few sentences: the verdict, what binds it, the next step."""

from __future__ import annotations

from collections.abc import Iterator

from whichweights_schemas.tools.estimate_vram import EstimateVramResult

_VERDICTS = {
    "fits": "fits",
    "tight": "is tight",
    "fits_with_offload": "fits only with part of it in system memory",
    "does_not_fit": "does not fit",
    "unknown": "may or may not fit (the free memory is not known)",
}
_WARNINGS_SHOWN = 3


def vram_text(result: EstimateVramResult) -> str:
    """At most about 120 words."""
    return " ".join((_verdict(result), *_parts(result), *_ways_out(result), *_caveats(result)))


def _verdict(result: EstimateVramResult) -> str:
    settings, memory = result.settings, result.memory_gib
    where = _devices(result)
    context = f"{settings.context_tokens:,} tokens"
    if settings.concurrent_sequences > 1:
        context += f" x {settings.concurrent_sequences} sequences"
    return (
        f"{result.model.id} as {settings.quantization} with {settings.engine} at {context} "
        f"{_VERDICTS[result.verdict]}{where}: {memory.total:.1f} GiB "
        f"({memory.low:.1f}-{memory.high:.1f})."
    )


def _devices(result: EstimateVramResult) -> str:
    if not result.devices:
        return ""
    free = [device.free_gib for device in result.devices]
    known = [value for value in free if value is not None]
    names = " + ".join(dict.fromkeys(device.name for device in result.devices))
    count = f"{len(result.devices)}x " if len(result.devices) > 1 and "+" not in names else ""
    total = f", {sum(known):.1f} GiB free" if len(known) == len(free) else ""
    return f" on {count}{names}{total}"


def _parts(result: EstimateVramResult) -> Iterator[str]:
    memory = result.memory_gib
    parts = [f"weights {memory.weights:.1f}", f"KV cache {memory.kv_cache:.2f}"]
    if memory.recurrent_state:
        parts.append(f"state {memory.recurrent_state:.2f}")
    parts.append(f"buffers {memory.activations:.2f}")
    parts.append(f"runtime {memory.runtime:.2f}")
    yield f"{', '.join(parts)} GiB."
    limit = result.limits.max_context_tokens
    if limit:
        yield f"Longest context that fits: {limit:,} tokens."
    speed = result.speed.decode_tokens_per_second
    if speed is not None:
        yield f"About {speed.low:.0f}-{speed.high:.0f} tokens/s for one user."
    native = result.settings.native_quantization
    if native and native != result.settings.quantization:
        yield f"The maker's own format is {native}."


def _ways_out(result: EstimateVramResult) -> Iterator[str]:
    if result.alternatives:
        ways = "; ".join(
            f"{a.change} ({a.verdict.replace('_', ' ')}, {a.total_gib:.1f} GiB)"
            for a in result.alternatives
        )
        yield f"What would change it: {ways}."


def _caveats(result: EstimateVramResult) -> Iterator[str]:
    if result.settings.engine_version is None:
        yield f"Assumed: a current {result.settings.engine}."
    yield from (f"{warning}." for warning in result.warnings[:_WARNINGS_SHOWN])
