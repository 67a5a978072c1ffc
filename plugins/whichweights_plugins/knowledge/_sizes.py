"""Size classes of the priors, by total parameters."""

from __future__ import annotations

from whichweights_schemas.models import ModelSpec

_CLASSES = (
    (1e9, "tiny <1B"),
    (7e9, "small 1-7B"),
    (30e9, "medium 7-30B"),
    (100e9, "large 30-100B"),
)
_LARGEST = "frontier >=100B"


def size_class(spec: ModelSpec) -> str | None:
    """The class of a generative model of known size, else None (the priors hold for no others)."""
    total = spec.parameters.total
    if total is None or spec.kind == "encoder":
        return None
    return next((name for limit, name in _CLASSES if total < limit), _LARGEST)
