"""Matches what people type to names of models."""
from __future__ import annotations
import re
def normalise(text: str) -> str:
    return re.sub(r"[\s_\-/]+", " ", text.lower()).strip()
