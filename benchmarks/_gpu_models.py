"""Shapes of published models, as keyword arguments of the configurations of transformers.

Weights are drawn at random: memory does not depend on them. Source: the makers' config.json, as the
catalogue of this package holds them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "data" / "gpu_shapes.jsonl"


def shapes() -> dict[str, tuple[str, dict[str, Any]]]:
    """Model id -> the architecture's name in transformers and its arguments."""
    rows = map(json.loads, _FILE.read_text(encoding="utf-8").splitlines())
    return {row["model"]: (row["architecture"], row["arguments"]) for row in rows}
