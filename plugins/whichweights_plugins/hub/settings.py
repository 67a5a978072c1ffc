"""The configuration section `[providers.hub]`, and what the environment says where it is silent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field

from whichweights_plugins._cache import DEFAULT_MAX_BYTES
from whichweights_schemas.providers import Settings

_TRUE: Final = frozenset({"1", "on", "yes", "true"})


class HubSettings(Settings):
    """Which Hub is asked, as whom, for how long, and how long its answers are believed."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+",
        description="Address of the Hub or a mirror; default: HF_ENDPOINT, else huggingface.co",
    )
    token_env: str = Field(
        default="HF_TOKEN",
        description="Variable with the token; the one `hf auth login` stored stands in. '' = none",
    )
    offline: bool = Field(
        default=False, description="Ask nobody: cached answers only. HF_HUB_OFFLINE does the same"
    )
    timeout: float = Field(
        default=3.0, gt=0, le=300, description="Seconds for one question, its retries included"
    )
    pause_seconds: float = Field(
        default=15.0, ge=0, description="For how long a Hub that was out of reach is left alone"
    )
    last_resort: bool = Field(
        default=True,
        description="Ask the Hub only for what no other provider knows; false = in its turn",
    )
    cache_file: Path | None = Field(default=None, description="Default: in the user's cache folder")
    cache_max_bytes: int = Field(default=DEFAULT_MAX_BYTES, ge=0, description="0 = no cache")
    fresh_seconds: float = Field(
        default=900.0, ge=0, description="An answer this young is used without asking again"
    )
    negative_seconds: float = Field(
        default=120.0, ge=0, description="For how long a missing or gated repository is believed"
    )


def is_offline(settings: HubSettings, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the configuration or the environment forbids requests."""
    said = environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE") or ""
    return settings.offline or said.lower() in _TRUE
