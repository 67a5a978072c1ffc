"""The provider of docs/providers.md works as the page says: packaged, installed, asked, tested."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
MODULE, TESTS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(METADATA,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder that holds the page's package as pip would leave it."""
    project = tomllib.loads(METADATA)["project"]
    info = tmp_path / f"whichweights_acme-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "whichweights_acme.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "test_acme.py").write_text(TESTS, encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


def test_its_model_is_known_to_the_tools(installed: Path):
    done = run(installed, "whichweights", "call", "describe_model", "model=acme 8b", "--json")
    assert done.returncode == 0, done.stderr
    assert '"acme/Acme-8B"' in done.stdout
    assert '"total": 8030261248' in done.stdout


def test_its_weights_are_sized_like_those_of_the_model_it_was_made_from(installed: Path):
    sizes: list[str] = []
    for model in ("acme 8b", "llama 3.1 8b"):
        done = run(
            installed, "whichweights", "call", "estimate_vram", f"model={model}",
            "quantization=Q4_K_M", "accelerators=24GiB", "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sizes += re.findall(r'"weights": ([\d.]+)', done.stdout)
    assert len(sizes) == 2
    assert sizes[0] == sizes[1]


def test_its_tests_pass(installed: Path):
    done = run(
        installed, "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".",
        "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", ".",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
