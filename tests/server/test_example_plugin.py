"""The sample plugin is whole: its own test passes, and an installed copy answers a question."""

import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from whichweights.config import load_config
from whichweights.registry import Registry
from whichweights_schemas.providers import AcceleratorCatalogue
from whichweights_schemas.requests import LookupAccelerator

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"


def leave_as_pip_would(site: Path) -> None:
    """The module and the dist-info of an installation, from the plugin's own pyproject."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"whichweights_acme-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    lines: list[str] = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    source = (PLUGIN / "whichweights_acme.py").read_text(encoding="utf-8")
    (site / "whichweights_acme.py").write_text(source, encoding="utf-8")


def test_its_own_test_passes():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(PLUGIN),
         "--override-ini", "pythonpath=.", str(PLUGIN)],
        cwd=PLUGIN, capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


async def test_installed_and_configured_as_its_docstring_says_it_answers_before_the_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    leave_as_pip_would(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    source = (PLUGIN / "whichweights_acme.py").read_text(encoding="utf-8")
    example = source.split('"""')[1].partition("\n\n")[2]
    config = tmp_path / "config.toml"
    config.write_text(textwrap.dedent(example), encoding="utf-8")

    registry = Registry(load_config(config, {}).registry_settings())
    session = registry.session()
    request = LookupAccelerator(name="acme rack a")
    found = await session.first_named(
        AcceleratorCatalogue, lambda catalogue: catalogue.lookup(request)
    )
    sys.modules.pop("whichweights_acme")
    assert registry.warnings == ()
    assert session.warnings == ()
    assert found is not None
    name, (device,) = found
    assert (name, device.name, device.total_bytes) == ("acme", "Acme Rack A", 47_781_511_168)
    assert [report.name for report in session.reports] == ["acme"]
