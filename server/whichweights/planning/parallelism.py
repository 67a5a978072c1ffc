"""How many devices a layer may be cut across: engines refuse ranks that do not divide the heads."""

from __future__ import annotations

from collections.abc import Iterator

from whichweights.planning._settings import RANK_ENGINES
from whichweights_schemas.attention import ParallelMixers
from whichweights_schemas.deployment import Engine, EngineOptions
from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.models import ModelSpec

__all__ = ["with_ranks"]


def with_ranks(
    spec: ModelSpec, engine: Engine, options: EngineOptions, devices: int
) -> EngineOptions:
    """The options with ranks that the engine accepts, where the caller left them open.

    Tensor parallelism needs a divisor of the attention heads (vllm/config/model.py,
    verify_with_parallel_config; SGLang likewise): the largest one that also divides the devices is
    taken, the rest becomes pipeline stages. Raises InvalidArgument for ranks that divide no heads
    and for more stages than layers.
    """
    heads = sorted(set(_query_heads(spec)))
    if engine not in RANK_ENGINES or not heads:
        return options
    _refuse_empty_stages(options.pipeline_parallel, spec.layers, engine)
    asked = options.tensor_parallel
    if asked is not None:
        _refuse_uneven(asked, heads, engine)
        return options
    most = max(1, devices // (options.pipeline_parallel or 1))
    tensor = max(ranks for ranks in range(1, most + 1) if most % ranks == 0 and _even(ranks, heads))
    stages = options.pipeline_parallel or min(devices // tensor, spec.layers or devices)
    return options.model_copy(
        update={"tensor_parallel": tensor, "pipeline_parallel": max(1, stages)}
    )


def _refuse_uneven(asked: int, heads: list[int], engine: Engine) -> None:
    if _even(asked, heads):
        return
    near = [ranks for ranks in range(asked - 1, 0, -1) if _even(ranks, heads)]
    raise InvalidArgument(
        f"{engine} does not start with tensor_parallel {asked}: "
        f"{heads[0]} attention heads are not divisible by it",
        field="options.tensor_parallel",
        hint=f"use tensor_parallel {near[0]}, or pipeline_parallel for the other devices",
        suggestions=[str(ranks) for ranks in near[:3]],
    )


def _refuse_empty_stages(stages: int | None, layers: int | None, engine: Engine) -> None:
    if stages is None or layers is None or stages <= layers:
        return
    raise InvalidArgument(
        f"{engine} does not start with pipeline_parallel {stages}: the model has {layers} layers",
        field="options.pipeline_parallel",
        hint=f"use {layers} stages or fewer",
        suggestions=[str(layers)],
    )


def _even(ranks: int, heads: list[int]) -> bool:
    return all(count % ranks == 0 for count in heads)


def _query_heads(spec: ModelSpec) -> Iterator[int]:
    for block in spec.blocks:
        mixer = block.attention
        if isinstance(mixer, ParallelMixers):
            mixer = mixer.attention
        heads: int | None = getattr(mixer, "query_heads", None)
        if heads:
            yield heads
