"""NVML's errors, translated at one place: every call either answers or raises `NvmlFailure`."""

from __future__ import annotations

from typing import Any

NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
_LIBRARY_UNUSABLE = frozenset({1, DRIVER_NOT_LOADED, 18})

# Codes of nvml.h as nvidia-ml-py 13.615.71 lists them (NVML_ERROR_*), read 2026-11.
_REASONS: dict[int, str] = {
    1: "the NVML library is not initialised",
    2: "the driver calls the request invalid",
    NOT_SUPPORTED: "the driver does not support this on this device",
    NO_PERMISSION: "no permission to read it",
    NOT_FOUND: "the driver did not find it",
    DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded",
    10: "the driver did not answer in time",
    11: "the driver has an interrupt problem",
    LIBRARY_NOT_FOUND: "no NVIDIA driver on this machine (NVML library not found)",
    FUNCTION_NOT_FOUND: "this driver is too old to answer it",
    15: "the GPU is lost: it fell off the bus or is inaccessible",
    16: "the GPU needs a reset",
    17: "the operating system blocked the request",
    18: "driver and NVML library differ in version (a reboot after a driver update mends it)",
    20: "the driver is out of memory",
    25: "the driver does not know this version of the request",
    999: "the driver reports an unknown error",
}


class NvmlFailure(Exception):
    """An NVML call did not answer; `code` is NVML's own, `reason` a sentence for people."""

    def __init__(self, code: int | None, function: str, detail: str = "") -> None:
        reason = _REASONS.get(code, "") if code is not None else ""
        reason = reason or detail or "the driver gave no reason"
        if code in (LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED):
            super().__init__(reason)
        else:
            suffix = "" if code is None else f", NVML error {code}"
            super().__init__(f"{reason} ({function}{suffix})")
        self.code = code

    @property
    def reason(self) -> str:
        """The sentence."""
        return str(self)

    @property
    def ends_session(self) -> bool:
        """Whether NVML must be initialised anew before it can answer again."""
        return self.code in _LIBRARY_UNUSABLE


class NvmlCalls:
    """Calls functions of the `pynvml` module by name; remembers those the driver lacks."""

    def __init__(self, library: Any) -> None:
        self._library = library
        # The binding's own complaint about an old driver does not derive from NVMLError.
        mismatch: type[Exception] = getattr(library, "NVMLLibraryMismatchError", library.NVMLError)
        self._errors: tuple[type[Exception], ...] = (library.NVMLError, mismatch)
        self._missing: set[tuple[str, ...]] = set()

    def call(self, function: str, *arguments: Any, **options: Any) -> Any:
        """What the function returns. Raises NvmlFailure."""
        # An option chooses another symbol of the driver (memory v2), which may be missing alone.
        key = (function, *sorted(options))
        if key in self._missing:
            raise NvmlFailure(FUNCTION_NOT_FOUND, function)
        target = getattr(self._library, function, None)
        if target is None:
            self._missing.add(key)
            raise NvmlFailure(FUNCTION_NOT_FOUND, function)
        try:
            return target(*arguments, **options)
        except self._errors as error:
            code: object = getattr(error, "value", FUNCTION_NOT_FOUND)
            if code == FUNCTION_NOT_FOUND:
                self._missing.add(key)
            raise NvmlFailure(code if isinstance(code, int) else None, function) from error
        except UnicodeDecodeError as error:
            raise NvmlFailure(None, function, "the driver's answer is not text") from error

    def constant(self, name: str) -> Any:
        """A constant of the binding. Raises NvmlFailure where the binding is too old for it."""
        value = getattr(self._library, name, None)
        if value is None:
            raise NvmlFailure(FUNCTION_NOT_FOUND, name)
        return value
