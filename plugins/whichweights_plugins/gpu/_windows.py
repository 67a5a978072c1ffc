"""Memory of a Windows host: GlobalMemoryStatusEx."""

from __future__ import annotations

import ctypes
import sys

from whichweights_plugins.gpu._host_memory import HostMemory


class MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of sysinfoapi.h (learn.microsoft.com, read 2026-11)."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("memory_load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("available_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    )


def read_windows() -> HostMemory:
    """Physical memory, total and available. Raises OSError on other systems or when refused."""
    status = MemoryStatus()
    status.length = ctypes.sizeof(MemoryStatus)
    if sys.platform != "win32":
        raise OSError("GlobalMemoryStatusEx exists on Windows only")
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise ctypes.WinError()
    return from_status(status)


def from_status(status: MemoryStatus) -> HostMemory:
    """The two members that matter, as the host's memory."""
    return HostMemory(
        int(status.total_physical), int(status.available_physical), "GlobalMemoryStatusEx"
    )
