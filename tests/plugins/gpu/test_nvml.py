"""The real NVML binding on a stub driver, in a process of its own: a library is loaded but once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from whichweights_plugins.gpu._nvml_calls import NvmlCalls, NvmlFailure
from whichweights_schemas.accelerators import Accelerator, DeviceReading

MIB = 1 << 20

READER = """
import anyio, json, os, sys
from whichweights_plugins.gpu.nvml import NvmlProvider, NvmlSettings
from whichweights_schemas.providers import ProviderContext

async def run_blocking(function, /, *args):
    return await anyio.to_thread.run_sync(lambda: function(*args))

async def main():
    settings = NvmlSettings(proc_root=os.environ["PROC_ROOT"])
    provider = NvmlProvider(ProviderContext("nvml", settings, run_blocking))
    answers = {"imported_early": "pynvml" in sys.modules, "available": await provider.available()}
    answers["first"] = (await provider.accelerators()).model_dump(mode="json")
    os.environ["STUB_FAIL"] = os.environ.get("STUB_FAIL_LATER", "")
    # The library reads its own copy of the environment.
    import ctypes
    ctypes.CDLL(None).setenv(b"STUB_FAIL", os.environ["STUB_FAIL"].encode(), 1)
    answers["second"] = (await provider.accelerators()).model_dump(mode="json")
    answers["status"] = await provider.status()
    print(json.dumps(answers))

anyio.run(main)
"""


class Answers:
    """What the provider said in the other process."""

    def __init__(self, text: str) -> None:
        answers = cast("dict[str, Any]", json.loads(text))
        self.imported_early = bool(answers["imported_early"])
        self.available = cast("str | None", answers["available"])
        self.first = DeviceReading.model_validate(answers["first"])
        self.second = DeviceReading.model_validate(answers["second"])
        self.status = cast("dict[str, str]", answers["status"])


class StubDriver:
    """A folder with a libnvidia-ml.so.1, and a host that has 128 GiB."""

    def __init__(self, folder: Path, *flags: str) -> None:
        compiler = shutil.which("gcc")
        assert compiler is not None, "gcc is needed to build the stub driver"
        source = Path(__file__).with_name("stub_nvml.c")
        library = folder / "libnvidia-ml.so.1"
        command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", *flags]
        subprocess.run([*command, "-o", str(library), str(source)], check=True, timeout=60)
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        meminfo = f"MemTotal: {128 << 20} kB\nMemAvailable: {100 << 20} kB\n"
        (self.proc / "meminfo").write_text(meminfo, encoding="ascii")

    def read(self, **steering: str) -> Answers:
        return read(library_path=str(self.folder), proc_root=str(self.proc), **steering)


def read(*, library_path: str, proc_root: str, **steering: str) -> Answers:
    environment = {**os.environ, **steering}
    environment |= {"LD_LIBRARY_PATH": library_path, "PROC_ROOT": proc_root}
    finished = subprocess.run(
        [sys.executable, "-c", READER],
        env=environment,
        capture_output=True,
        check=False,
        timeout=60,
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stderr
    return Answers(finished.stdout)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> StubDriver:
    return StubDriver(tmp_path_factory.mktemp("driver"))


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> StubDriver:
    return StubDriver(tmp_path_factory.mktemp("old_driver"), "-DOLD_DRIVER")


def reasons(device: Accelerator | DeviceReading) -> dict[str, str]:
    return {row.field: row.reason for row in device.unknown}


def test_a_device_is_read_with_memory_processes_and_source(driver: StubDriver) -> None:
    answers = driver.read()
    assert not answers.imported_early
    assert answers.available is None
    assert answers.status == {"driver": "580.65.06", "devices": "1"}
    (device,) = answers.first.accelerators
    assert device.name == "NVIDIA GeForce RTX 4090"
    assert (device.uuid, device.index) == ("GPU-00000000", 0)
    assert device.compute_capability == "8.9"
    assert device.total_bytes == 24564 * MIB
    assert device.total_basis == "exact"
    assert device.used_bytes == 1000 * MIB
    assert device.free_bytes == (24564 - 1500) * MIB
    assert device.total_note is not None
    assert "0.4 GiB less" in device.total_note
    assert "500 MiB" in device.total_note
    assert device.unified_memory is False
    assert device.utilization_percent == 37
    assert device.driver_version == "580.65.06"
    assert device.evidence[0].source == "NVML, driver 580.65.06"


def test_a_process_is_listed_once_and_its_arguments_are_not_told(driver: StubDriver) -> None:
    (device,) = driver.read().first.accelerators
    assert device.processes is not None
    rows = [(row.pid, row.name, row.used_bytes) for row in device.processes]
    assert rows == [
        (77, None, 30 * MIB),
        (4242, "/usr/bin/python3 serve.py", 1000 * MIB),
        (4243, "/usr/bin/python3 serve.py", None),
    ]
    assert list(reasons(device)) == ["processes.used_bytes"]


def test_an_old_driver_still_gives_memory_and_says_what_it_lacks(old_driver: StubDriver) -> None:
    answers = old_driver.read()
    (device,) = answers.first.accelerators
    assert device.total_bytes == 24564 * MIB
    assert device.free_bytes == (24564 - 1500) * MIB
    assert device.utilization_percent is None
    assert "too old" in reasons(device)["utilization_percent"]
    assert device.processes is not None
    assert [row.pid for row in device.processes] == [4242, 4243]
    assert "nvmlDeviceGetGraphicsRunningProcesses_v2" in reasons(device)["processes"]
    assert answers.second == answers.first


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetUUID", "uuid"),
        ("nvmlDeviceGetCudaComputeCapability", "compute_capability"),
        ("nvmlDeviceGetUtilizationRates", "utilization_percent"),
    ],
)
def test_one_missing_field_does_not_fail_the_device(
    driver: StubDriver, function: str, field: str
) -> None:
    (device,) = driver.read(STUB_FAIL=f"{function}=4").first.accelerators
    assert getattr(device, field) is None
    assert "no permission" in reasons(device)[field]
    assert device.total_bytes == 24564 * MIB


def test_a_refused_memory_version_falls_back_to_the_first(driver: StubDriver) -> None:
    (device,) = driver.read(STUB_FAIL="nvmlDeviceGetMemoryInfo_v2=25").first.accelerators
    assert (device.total_bytes, device.used_bytes) == (24564 * MIB, 1500 * MIB)


@pytest.mark.parametrize(
    "steering",
    [
        {"STUB_FAIL": "nvmlDeviceGetMemoryInfo=3 nvmlDeviceGetMemoryInfo_v2=3"},
        {"STUB_TOTAL_MIB": "0"},
    ],
)
def test_a_chip_without_its_own_memory_shares_the_hosts(
    driver: StubDriver, steering: dict[str, str]
) -> None:
    reading = driver.read(STUB_NAME="NVIDIA GB10", STUB_CC="12.1", **steering).first
    (device,) = reading.accelerators
    assert device.unified_memory is True
    assert device.total_bytes == 128 << 30
    assert device.free_bytes == 100 << 30
    assert device.total_basis == "exact"
    assert "meminfo" in device.evidence[0].source
    assert reading.warnings == ()


def test_shared_memory_of_an_unknown_chip_is_an_assumption_and_said_so(driver: StubDriver) -> None:
    reading = driver.read(STUB_TOTAL_MIB="0", STUB_NAME="NVIDIA X").first
    (device,) = reading.accelerators
    assert device.total_basis == "assumed"
    assert device.evidence[0].basis == "assumed"
    assert len(reading.warnings) == 1


def test_shared_memory_is_unknown_where_the_host_cannot_be_read(driver: StubDriver) -> None:
    answers = read(
        library_path=str(driver.folder), proc_root="/nonexistent", STUB_TOTAL_MIB="0", STUB_CC="8.7"
    )
    (device,) = answers.first.accelerators
    assert (device.total_bytes, device.free_bytes) == (None, None)
    assert {"total_bytes", "free_bytes", "used_bytes"} <= set(reasons(device))


def test_a_lost_device_leaves_its_neighbours(driver: StubDriver) -> None:
    reading = driver.read(STUB_COUNT="3", STUB_FAIL="nvmlDeviceGetHandleByIndex_v2@1=15").first
    assert [device.index for device in reading.accelerators] == [0, 2]
    assert "lost" in reasons(reading)["accelerators[1]"]


def test_a_device_lost_while_it_is_read_keeps_what_was_told(driver: StubDriver) -> None:
    failures = "nvmlDeviceGetMemoryInfo@1=15 nvmlDeviceGetMemoryInfo_v2@1=15"
    reading = driver.read(STUB_COUNT="2", STUB_FAIL=failures).first
    healthy, lost = reading.accelerators
    assert healthy.total_bytes == 24564 * MIB
    assert (lost.total_bytes, lost.free_bytes, lost.uuid) == (None, None, "GPU-00000001")
    assert "lost" in reasons(lost)["total_bytes"]


def test_a_nameless_device_is_still_listed(driver: StubDriver) -> None:
    (device,) = driver.read(STUB_FAIL="nvmlDeviceGetName=999").first.accelerators
    assert device.name == "NVIDIA device 0"
    assert "unknown error" in reasons(device)["name"]


def test_mig_instances_stand_for_their_parent(driver: StubDriver) -> None:
    reading = driver.read(STUB_MIG="2", STUB_NAME="NVIDIA H100", STUB_CC="9.0").first
    assert [device.uuid for device in reading.accelerators] == ["MIG-00000000-0", "MIG-00000000-1"]
    for device in reading.accelerators:
        assert device.mig_profile == "1g.10gb"
        assert device.total_bytes == 24564 * MIB // 8
        assert device.compute_capability == "9.0"
        assert "compute_capability" not in reasons(device)


def test_a_divided_device_without_instances_is_not_counted_and_said_so(driver: StubDriver) -> None:
    reading = driver.read(STUB_MIG="0").first
    assert reading.accelerators == ()
    assert len(reading.warnings) == 1
    assert "MIG" in reading.warnings[0]


def test_mig_instances_that_cannot_be_listed_are_unknown(driver: StubDriver) -> None:
    reading = driver.read(STUB_MIG="2", STUB_FAIL="nvmlDeviceGetMaxMigDeviceCount=4").first
    assert reading.accelerators == ()
    assert "no permission" in reasons(reading)["accelerators[0].mig"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(9, "not loaded"), (18, "version"), (4, "permission"), (999, "unknown error")],
)
def test_a_driver_that_does_not_start_is_a_typed_reason(
    driver: StubDriver, code: int, words: str
) -> None:
    answers = driver.read(STUB_FAIL=f"nvmlInitWithFlags={code}")
    assert answers.available is not None
    assert words in answers.available
    assert answers.first.accelerators == ()
    assert reasons(answers.first) == {"accelerators": answers.available}


def test_a_driver_that_starts_later_is_found_without_a_restart(driver: StubDriver) -> None:
    answers = driver.read(STUB_FAIL="nvmlInitWithFlags=9", STUB_FAIL_LATER="")
    assert answers.first.accelerators == ()
    assert len(answers.second.accelerators) == 1


def test_a_driver_that_goes_away_is_a_typed_reason(driver: StubDriver) -> None:
    answers = driver.read(STUB_FAIL_LATER="nvmlDeviceGetCount_v2=9")
    assert len(answers.first.accelerators) == 1
    assert answers.second.accelerators == ()
    assert "not loaded" in reasons(answers.second)["accelerators"]


def test_an_unknown_driver_version_does_not_hide_the_devices(driver: StubDriver) -> None:
    reading = driver.read(STUB_FAIL="nvmlSystemGetDriverVersion=3").first
    (device,) = reading.accelerators
    assert device.driver_version is None
    assert "driver_version" in reasons(reading)
    assert device.evidence[0].source == "NVML"


def test_a_driver_without_devices_says_so(driver: StubDriver) -> None:
    reading = driver.read(STUB_COUNT="0").first
    assert reading.accelerators == ()
    assert reading.warnings == ("NVIDIA driver 580.65.06 has no device",)


def test_a_machine_without_a_driver_says_so(tmp_path: Path) -> None:
    # An unreadable library shadows a real driver, where the machine running this has one.
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    answers = read(library_path=str(tmp_path), proc_root=str(tmp_path))
    assert answers.available == "no NVIDIA driver on this machine (NVML library not found)"
    assert reasons(answers.first) == {"accelerators": answers.available}


def test_a_function_the_driver_lacks_is_asked_for_once() -> None:
    class Missing(Exception):
        value = 13

    asked: list[str] = []

    def utilization(handle: object) -> None:
        asked.append("utilization")
        raise Missing

    calls = NvmlCalls(SimpleNamespace(NVMLError=Missing, utilization=utilization))
    for _ in range(3):
        with pytest.raises(NvmlFailure) as caught:
            calls.call("utilization", object())
        assert caught.value.code == 13
    assert asked == ["utilization"]
