import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights.testing import AcceleratorCatalogueContract, construct
from whichweights_plugins.knowledge._tables import load_rows, table_bytes
from whichweights_plugins.knowledge.accelerators import KnowledgeAccelerators
from whichweights_plugins.knowledge.building.accelerators import (
    accelerator_row,
    check_accelerators,
)
from whichweights_schemas.accelerators import Accelerator
from whichweights_schemas.requests import LookupAccelerator

GIB = 1024**3


async def found(name: str, gb: float | None = None) -> list[Accelerator]:
    provider = construct(KnowledgeAccelerators)
    return list(await provider.lookup(LookupAccelerator(name=name, memory_gb=gb)))


async def names(name: str, gb: float | None = None) -> list[str]:
    return [device.name for device in await found(name, gb)]


class TestKnowledgeAccelerators(AcceleratorCatalogueContract):
    known_name = "RTX 4090"

    @pytest.fixture
    def provider(self) -> KnowledgeAccelerators:
        return construct(KnowledgeAccelerators)


@pytest.mark.parametrize(
    ("spelling", "device"),
    [
        ("RTX 4090", "GeForce RTX 4090"),
        ("4090", "GeForce RTX 4090"),
        ("rtx4090", "GeForce RTX 4090"),
        ("NVIDIA GeForce RTX 4090", "GeForce RTX 4090"),
        ("RTX 4090 Laptop", "GeForce RTX 4090 Laptop"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "GeForce RTX 4090 Laptop"),
        ("4070 Ti Super", "GeForce RTX 4070 Ti SUPER"),
        ("4070 super", "GeForce RTX 4070 SUPER"),
        ("5090", "GeForce RTX 5090"),
        ("T4", "Tesla T4"),
        ("L4", "L4"),
        ("L40S", "L40S"),
        ("RTX 6000 Ada", "RTX 6000 Ada"),
        ("A6000", "RTX A6000"),
        ("MI300X", "Instinct MI300X"),
        ("7900xtx", "Radeon RX 7900 XTX"),
        ("GB10", "DGX Spark / GB10"),
        ("DGX Spark", "DGX Spark / GB10"),
        ("Strix Halo", "Ryzen AI Max+ 395 (Radeon 8060S)"),
        ("H100 PCIe", "H100 PCIe 80GB"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM5 80GB"),
        ("NVIDIA GH200 480GB", "GH200 96GB"),
        ("Apple M3 Ultra", "Apple M3 Ultra"),
        ("MacBook Pro M4 Pro", "Apple M4 Pro"),
    ],
)
async def test_a_spelling_in_use_means_exactly_one_device(spelling: str, device: str):
    assert await names(spelling) == [device]


@pytest.mark.parametrize(
    ("name", "gb", "devices"),
    [
        ("3060", None, ["GeForce RTX 3060 12GB", "GeForce RTX 3060 8GB"]),
        ("RTX 3060", 8, ["GeForce RTX 3060 8GB"]),
        ("RTX 3060 12GB", None, ["GeForce RTX 3060 12GB"]),
        ("4060 Ti", 16, ["GeForce RTX 4060 Ti 16GB"]),
        ("4060ti", 8, ["GeForce RTX 4060 Ti 8GB"]),
        ("A100", 40, ["A100 SXM4 40GB", "A100 PCIe 40GB"]),
        ("A100 80GB", None, ["A100 SXM4 80GB", "A100 PCIe 80GB"]),
        ("H100", None, ["H100 SXM5 80GB", "H100 PCIe 80GB", "H100 NVL 94GB"]),
        ("H100", 94, ["H100 NVL 94GB"]),
        ("M3 Max", 64, ["Apple M3 Max 40-core"]),
        ("M3 Max 36GB", None, ["Apple M3 Max 30-core"]),
    ],
)
async def test_memory_breaks_ties_and_sxm_comes_first(
    name: str, gb: float | None, devices: list[str]
):
    assert await names(name, gb) == devices


async def test_a_driver_total_a_little_below_the_marketing_size_still_matches():
    assert (await names("NVIDIA GeForce RTX 3060", 11.76))[:1] == ["GeForce RTX 3060 12GB"]
    assert (await names("NVIDIA B300 SXM6 AC", 268.6)) == ["B300"]


async def test_several_forms_of_one_device_are_named_in_its_notes():
    best = (await found("H100", 80))[0]
    assert best.notes is not None
    assert "H100 PCIe 80GB" in best.notes


@pytest.mark.parametrize("name", ["", "rtx", "gpu", "banana", "RX 7900", "H1000", "4090 Ultra"])
async def test_what_is_no_device_is_not_found(name: str):
    assert await found(name) == []


async def test_a_size_the_card_never_had_is_not_found_and_a_modified_one_says_so():
    assert await found("RTX 4060", 24) == []
    [modified] = await found("RTX 4090", 48)
    assert modified.total_bytes == 48 * GIB
    assert modified.total_basis == "assumed"
    assert "modified" in (modified.total_note or "")


@pytest.mark.parametrize(
    ("name", "gib", "basis"),
    [
        ("H100 SXM5 80GB", 79.19, "published"),
        ("A10", 22.07, "published"),
        ("Tesla T4", 14.56, "published"),
        ("RTX 3090", 23.58, "published"),
        ("RTX 4090", 23.5, "published"),
        ("A100 SXM4 80GB", 80.0, "published"),
        ("RTX 5090", 31.84, "published"),
        ("L40", 44.99, "assumed"),
        ("A40", 45.0, "assumed"),
        ("MI300X", 192.0, "assumed"),
    ],
)
async def test_the_total_is_what_an_engine_sees_else_the_driver_else_marketing(
    name: str, gib: float, basis: str
):
    device = (await found(name))[0]
    assert device.total_bytes is not None
    assert abs(device.total_bytes / GIB - gib) < 0.006
    assert device.total_basis == basis
    assert device.total_note


@pytest.mark.parametrize(
    ("name", "hidden_gib"),
    [("RTX 4090", 0.0), ("H100 SXM5 80GB", 0.0), ("RTX 5090", 0.4), ("A40", 0.4), ("MI300X", 0.0)],
)
async def test_an_empty_card_has_free_what_an_engine_can_see_of_it(name: str, hidden_gib: float):
    device = (await found(name))[0]
    assert device.total_bytes is not None
    assert device.free_bytes is not None
    assert abs((device.total_bytes - device.free_bytes) / GIB - hidden_gib) < 0.001


async def test_of_a_shared_memory_without_a_known_budget_three_quarters_are_free():
    device = (await found("Ryzen AI Max+ 395"))[0]
    assert device.unified_memory
    assert device.total_bytes is not None
    assert device.free_bytes == device.total_bytes * 3 // 4


@pytest.mark.parametrize(("gb", "gib"), [(36, 24.0), (64, 48.0), (128, 96.0)])
async def test_an_apple_chip_gives_the_gpu_its_default_share_of_the_memory(gb: float, gib: float):
    device = (await found("M3 Max", gb))[0]
    assert device.kind == "apple"
    assert device.unified_memory
    assert device.marketing_gb == gb
    assert device.total_bytes is not None
    assert abs(device.total_bytes - gib * GIB) <= 1
    assert "iogpu.wired_limit_mb" in (device.total_note or "")


async def test_an_apple_chip_of_unnamed_size_has_no_total_and_lists_its_sizes():
    device = (await found("M2 Ultra"))[0]
    assert device.total_bytes is None
    assert device.memory_options_gb == (64, 128, 192)
    assert [row.field for row in device.unknown] == ["total_bytes"]


async def test_every_device_of_the_table_answers_to_its_own_name_first():
    provider = construct(KnowledgeAccelerators)
    known = await provider.names()
    assert len(known) == 192
    for name in known:
        devices = await provider.lookup(LookupAccelerator(name=name))
        assert devices[0].name == name


async def test_values_nobody_checked_are_named():
    device = (await found("MI300X"))[0]
    assert "memory_bandwidth_bytes_per_second" in device.unverified
    assert (await found("RTX 4090"))[0].unverified == ()


def test_the_shipped_table_is_small_and_whole():
    assert check_accelerators(load_rows("accelerators")) == []
    assert table_bytes("accelerators") < 20_000


def test_no_row_speaks_of_decode_speed_or_price():
    text = json.dumps(load_rows("accelerators"))
    assert "tokens_per_second" not in text
    assert "usd" not in text.lower()


def test_a_card_with_ecc_loses_the_sixteenth_that_the_observed_cards_lose():
    rows = {row["name"]: row for row in load_rows("accelerators")}
    for name in ("Tesla T4", "L4", "L40S"):
        row = rows[name]
        driver = 15_360 * 1024**2 if name == "Tesla T4" else row["total_bytes"]
        assert abs(driver / (row["marketing_gb"] * GIB) - 15 / 16) < 0.001


def damaged(change: Callable[[dict[str, object]], object]) -> list[str]:
    rows = [dict(row) for row in load_rows("accelerators")]
    change(rows[0])
    return check_accelerators(rows)


def test_the_check_names_a_row_without_source_date_or_memory():
    assert damaged(lambda row: row.pop("source"))
    assert damaged(lambda row: row.update(date="recently"))
    assert damaged(lambda row: row.update(total_bytes=1))
    assert damaged(lambda row: row.pop("marketing_gb"))


@given(gb=st.integers(1, 4096), fits=st.booleans())
def test_a_marketing_size_becomes_that_many_gib_and_says_it_is_assumed(gb: int, fits: bool):
    raw = {
        "name": "Card",
        "vendor": "AMD",
        "architecture": "X",
        "unified_memory": fits,
        "memory_gb": gb,
        "sources": ["somebody"],
    }
    row = accelerator_row(raw)
    assert row["total_bytes"] == gb * GIB
    assert row["total_basis"] == "assumed"
