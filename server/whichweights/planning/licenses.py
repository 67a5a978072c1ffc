"""How we read a licence tag: commercial use, openness, SPDX. Our reading, no legal advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CommercialUse = Literal["yes", "no", "conditions", "unknown"]


@dataclass(frozen=True)
class LicenseReading:
    """What a Hub licence tag allows as we read it. `open_source` null = we do not know."""

    tag: str
    spdx: str | None
    commercial_use: CommercialUse
    open_source: bool | None
    note: str

    @property
    def allows_commercial_use(self) -> bool:
        """Known to allow it, with conditions or without."""
        return self.commercial_use in ("yes", "conditions")


_UNKNOWN = "not a licence we have read: see the model's own page"


def _entry(
    tag: str,
    commercial_use: CommercialUse,
    note: str,
    *,
    spdx: str | None = None,
    open_source: bool | None = False,
) -> tuple[str, LicenseReading]:
    return tag, LicenseReading(tag, spdx, commercial_use, open_source, note)


# Read from the licence texts the tags name (2026-11). A tag with conditions allows commercial use
# below a size, outside some uses or territories, or with a notice: the note says which kind.
_READINGS = dict(
    (
        _entry("apache-2.0", "yes", "permissive", spdx="Apache-2.0", open_source=True),
        _entry("mit", "yes", "permissive", spdx="MIT", open_source=True),
        _entry("bsd-3-clause", "yes", "permissive", spdx="BSD-3-Clause", open_source=True),
        _entry("cc-by-4.0", "yes", "attribution", spdx="CC-BY-4.0", open_source=None),
        _entry("cc-by-sa-4.0", "yes", "share alike", spdx="CC-BY-SA-4.0", open_source=None),
        _entry("openmdw-1.1", "yes", "permissive licence for models", open_source=None),
        _entry("modified-mit", "conditions", "MIT, with a display duty above a stated size"),
        _entry("gemma", "conditions", "Gemma terms with a list of prohibited uses"),
        _entry("llama2", "conditions", "Llama community licence: limit of monthly users"),
        _entry("llama3", "conditions", "Llama community licence: limit of monthly users, naming"),
        _entry("llama3.1", "conditions", "Llama community licence: limit of monthly users, naming"),
        _entry("llama3.2", "conditions", "Llama community licence: limit of monthly users, naming"),
        _entry("llama3.3", "conditions", "Llama community licence: limit of monthly users, naming"),
        _entry("llama4", "conditions", "Llama community licence: limit of monthly users, naming"),
        _entry("falcon-llm-license", "conditions", "use policy, royalty-free"),
        _entry("falcon-mamba-7b-license", "conditions", "use policy, royalty-free"),
        _entry("bigscience-bloom-rail-1.0", "conditions", "RAIL: use restrictions"),
        _entry("bigcode-openrail-m", "conditions", "OpenRAIL: use restrictions"),
        _entry("deepseek", "conditions", "DeepSeek model licence: use restrictions"),
        _entry("deepseek-license", "conditions", "DeepSeek model licence: use restrictions"),
        _entry("tongyi-qianwen", "conditions", "Qwen licence: limit of monthly users"),
        _entry("qwen", "conditions", "Qwen licence: limit of monthly users"),
        _entry("nvidia-open-model-license", "conditions", "NVIDIA open model licence"),
        _entry("nvidia-nemotron-open-model-license", "conditions", "NVIDIA open model licence"),
        _entry("lfm1.0", "conditions", "free below a yearly revenue"),
        _entry("tongyi-qianwen-research", "no", "research only"),
        _entry("qwen-research", "no", "research only"),
        _entry("cc-by-nc-4.0", "no", "non-commercial", spdx="CC-BY-NC-4.0"),
        _entry("mrl", "no", "Mistral research licence"),
        _entry("exaone", "no", "EXAONE research licence; later versions differ"),
    )
)


def read_license(tag: str | None) -> LicenseReading:
    """Our reading of a Hub licence tag; anything we have not read is `unknown`."""
    key = (tag or "").strip().lower()
    reading = _READINGS.get(key)
    return reading or LicenseReading(tag or "", None, "unknown", None, _UNKNOWN)
