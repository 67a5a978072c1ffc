"""What is checked of every answer, whoever gave it. Used by the contract classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel

from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.api_models import TokenPrices
from whichweights_schemas.evidence import Evidence, Unknown

DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_SMALLEST_DEVICE_BYTES = 64 * 2**20
_SLOWEST_BYTES_PER_SECOND = 1e9


def check_evidence(rows: Sequence[Evidence]) -> None:
    """Every figure has a source; what somebody published has the date of it."""
    for row in rows:
        assert row.source.strip()
        assert row.fields
        if row.date is not None:
            assert DATE.fullmatch(row.date)
        if row.basis == "published":
            assert row.date


def check_unknown(rows: Sequence[Unknown]) -> None:
    """What is not known is named, with a reason."""
    for row in rows:
        assert row.field.strip()
        assert row.reason.strip()


def check_wire_form(shape: BaseModel) -> None:
    """The answer survives JSON, which is how it travels."""
    assert type(shape).model_validate_json(shape.model_dump_json()) == shape


def check_device(device: Accelerator) -> None:
    """Memory is in bytes, bandwidth in bytes per second, and no part exceeds the whole."""
    check_wire_form(device)
    check_evidence(device.evidence)
    check_unknown(device.unknown)
    assert device.name.strip()
    if device.total_bytes is not None:
        assert device.total_bytes >= _SMALLEST_DEVICE_BYTES
        assert 0 <= (device.free_bytes or 0) <= device.total_bytes
        assert 0 <= (device.used_bytes or 0) <= device.total_bytes
    if device.memory_bandwidth_bytes_per_second is not None:
        assert device.memory_bandwidth_bytes_per_second >= _SLOWEST_BYTES_PER_SECOND


def check_prices(prices: TokenPrices) -> None:
    """Prices are not negative and say of when they are and who says so."""
    assert DATE.fullmatch(prices.date)
    assert prices.source.strip()
    for field, value in prices:
        if field.endswith("_usd_per_mtok"):
            assert value is None or value >= 0
