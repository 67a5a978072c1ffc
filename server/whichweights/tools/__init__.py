"""The tools, one file each. Thin: resolve inputs, plan, answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from whichweights.tools._spec import AnyToolSpec

__all__ = ["TOOL_NAMES", "tool_specs"]

TOOL_NAMES = (
    "recommend_model",
    "estimate_vram",
    "quantize_plan",
    "check_language_coverage",
    "count_tokens",
    "describe_model",
    "gpu_status",
)
"""In the order a client lists them; each is a module of this package with a `SPEC`."""


class _Specs(Mapping[str, AnyToolSpec]):
    """The tools by name; one is imported when it is asked for: a single call needs no other."""

    def __getitem__(self, name: str) -> AnyToolSpec:
        if name not in TOOL_NAMES:
            raise KeyError(name)
        return import_module(f"{__name__}.{name}").SPEC

    def __contains__(self, name: object) -> bool:
        return name in TOOL_NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(TOOL_NAMES)

    def __len__(self) -> int:
        return len(TOOL_NAMES)


def tool_specs() -> Mapping[str, AnyToolSpec]:
    """Every tool by name, in the order a client lists them."""
    return _Specs()
