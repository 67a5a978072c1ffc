"""Which formats a device runs, and with which engine."""

import pytest

from whichweights.planning.device_formats import capability, runnable_formats, traits
from whichweights_schemas.accelerators import Accelerator


def nvidia(compute_capability: str | None) -> Accelerator:
    return Accelerator(name="x", vendor="NVIDIA", compute_capability=compute_capability)


@pytest.mark.parametrize(
    ("text", "pair"),
    [("8.9", (8, 9)), ("12.0", (12, 0)), ("9", (9, 0)), ("", None), (None, None), ("sm_90", None)],
)
def test_a_compute_capability_is_a_pair(text: str | None, pair: tuple[int, int] | None):
    assert capability(text) == pair


def test_new_cards_run_what_old_ones_do_not():
    ada, pascal = runnable_formats(nvidia("8.9")), runnable_formats(nvidia("6.1"))
    assert ada["FP8"] == "vllm"
    assert pascal["FP8"] == "no"
    assert ada["Q4_K_M"] == pascal["Q4_K_M"] == "llama.cpp"


def test_an_apple_chip_runs_mlx():
    formats = runnable_formats(Accelerator(name="M3", kind="apple", vendor="Apple"))
    assert formats["MLX-4bit"] == "mlx"
    assert formats["Q4_K_M"] == "llama.cpp"


def test_a_device_of_unknown_maker_is_not_judged():
    assert traits(Accelerator(name="24GiB")) is None
    assert runnable_formats(Accelerator(name="24GiB")) == {}
    assert runnable_formats(Accelerator(name="TPU v4", kind="tpu", vendor="Google")) == {}


def test_a_processor_is_judged_by_its_maker():
    found = traits(Accelerator(name="system memory", kind="cpu"))
    assert found is not None
    assert (found.vendor, found.kind) == ("x86", "cpu")


def test_a_card_of_unknown_capability_is_unknown_not_no():
    assert "unknown" in runnable_formats(nvidia(None)).values()
