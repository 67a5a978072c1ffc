"""What the project promises to the tools that install it."""

import importlib.metadata
import inspect
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import whichweights

ROOT = Path(__file__).parents[2]
PACKAGES = ("server/whichweights", "plugins/whichweights_plugins", "schemas/whichweights_schemas")
GROUPS = {
    "whichweights.accelerators",
    "whichweights.api_models",
    "whichweights.gpu",
    "whichweights.languages",
    "whichweights.models",
    "whichweights.prices",
    "whichweights.scores",
    "whichweights.tokenizers",
}
BUILT_INS = [
    entry
    for entry in importlib.metadata.distribution("whichweights").entry_points
    if entry.group in GROUPS
]


def test_the_installed_version_is_the_one_in_the_source():
    assert importlib.metadata.version("whichweights") == whichweights.__version__


def test_every_provider_group_has_a_built_in():
    assert {entry.group for entry in BUILT_INS} == GROUPS


@pytest.mark.parametrize("entry", BUILT_INS, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_a_declared_built_in_is_a_class_that_can_be_made(
    entry: importlib.metadata.EntryPoint,
):
    provider = entry.load()
    assert inspect.isclass(provider)
    assert not inspect.isabstract(provider)


def test_the_console_script_is_callable():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="whichweights")
    assert callable(script.load())


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_that_it_is_typed(package: str):
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_folder_of_modules_is_a_package_that_the_import_contracts_see(package: str):
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    assert folders
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_lock_file_names_only_public_package_indexes():
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    hosts = set[str]()
    for package in lock["package"]:
        source = package["source"]
        if source != {"editable": "."}:
            hosts.add(source["registry"])
        for artefact in [*package.get("wheels", []), package.get("sdist", {})]:
            if artefact:
                hosts.add(str(urlsplit(str(artefact["url"])).hostname))
    assert hosts == {"https://pypi.org/simple", "files.pythonhosted.org"}
