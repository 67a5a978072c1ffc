"""Finding providers by entry points: lazily, in order, past the broken ones."""

import importlib
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, EntryPoint
from itertools import count
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from whichweights.registry import BUILT_INS_ONLY, ProviderInfo, Registry, RegistrySettings
from whichweights_schemas.providers import AcceleratorCatalogue, GpuProvider
from whichweights_schemas.requests import LookupAccelerator

FAKE_GPU = "whichweights.testing:FakeGpu"
_number = count()


class Site:
    """A folder on the import path with modules and what pip leaves behind of a distribution."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entry_points: list[EntryPoint] = []

    def module(self, source: str) -> str:
        name = f"stranger_{os.getpid()}_{next(_number)}"
        file = self.folder / f"{name}.py"
        file.write_text(textwrap.dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        return name

    def install(
        self, distribution: str, entries: Mapping[str, str], kind: str = "gpu", version: str = "1.2"
    ) -> None:
        info = self.folder / f"{distribution}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata, encoding="utf-8")
        lines = [f"[whichweights.{kind}]", *(f"{name} = {to}" for name, to in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
        self.entry_points += Distribution.at(info).entry_points

    def registry(self, settings: RegistrySettings | None = None) -> Registry:
        return Registry(settings, entry_points=self.entry_points)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield Site(tmp_path)
    for name in [name for name in sys.modules if name.startswith("stranger_")]:
        del sys.modules[name]


async def names_in_order(registry: Registry) -> list[str]:
    answers = await registry.session().all(GpuProvider, lambda gpu: gpu.accelerators())
    return [name for name, _ in answers]


async def reason_of(site: Site, settings: RegistrySettings | None = None) -> str | None:
    (info,) = await site.registry(settings).describe()
    assert info.state == "broken"
    return info.reason


async def test_nothing_is_imported_before_it_is_asked(site: Site):
    module = site.module("from whichweights.testing import FakeGpu")
    site.install("stranger", {"lazy": f"{module}:FakeGpu"})
    session = site.registry().session()
    await session.first(
        AcceleratorCatalogue, lambda catalogue: catalogue.lookup(LookupAccelerator(name="x"))
    )
    assert module not in sys.modules
    assert await session.all(GpuProvider, lambda gpu: gpu.accelerators())
    assert module in sys.modules


async def test_a_broken_neighbour_is_reported_and_the_rest_still_load(site: Site):
    broken = site.module("import no_such_library_of_the_vendor")
    site.install("broken-plugin", {"a": f"{broken}:Gpu"})
    site.install("good-plugin", {"b": FAKE_GPU}, version="3.4")
    registry = site.registry()
    session = registry.session()
    answers = await session.all(GpuProvider, lambda gpu: gpu.accelerators())
    assert [name for name, _ in answers] == ["b"]
    reason = "failed to load: ModuleNotFoundError: No module named 'no_such_library_of_the_vendor'"
    assert {report.name: (report.status, report.detail) for report in session.reports} == {
        "a": ("failed", reason),
        "b": ("answered", None),
    }
    assert await registry.describe() == [
        ProviderInfo("a", "gpu", "broken-plugin", "1.2", "broken", reason),
        ProviderInfo("b", "gpu", "good-plugin", "3.4", "ready"),
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys; sys.exit('wrong machine')", "failed to load: SystemExit: wrong machine"),
        ("raise OSError('no\\nlibrary')", "failed to load: OSError: no library"),
        ("def Gpu(: pass", "failed to load: SyntaxError: "),
        ("x = 1", "failed to load: AttributeError: "),
        ("Gpu = 3", "the entry point names 3, which is not a GpuProvider class"),
        ("class Gpu: pass", "which is not a GpuProvider class"),
        ("from whichweights.testing import FakeModels as Gpu", "is not a GpuProvider class"),
        (
            "from whichweights_schemas.providers import GpuProvider as Gpu",
            "GpuProvider does not implement accelerators",
        ),
        (
            "from whichweights.testing import FakeGpu\nclass Gpu(FakeGpu): api = 7",
            "written for provider API 7, this is 1",
        ),
        (
            "from whichweights.testing import FakeGpu\n"
            "class Gpu(FakeGpu):\n"
            "    def __init__(self, context): raise ValueError('no card')",
            "failed to load: ValueError: no card",
        ),
    ],
)
async def test_a_defect_is_told_with_its_reason_in_one_line(site: Site, source: str, reason: str):
    site.install("stranger", {"a": f"{site.module(source)}:Gpu"})
    told = await reason_of(site)
    assert told is not None
    assert reason in told
    assert len(told.splitlines()) == 1


async def test_a_provider_of_the_previous_api_is_accepted(site: Site):
    module = site.module(
        """
        from whichweights.testing import FakeGpu
        class Gpu(FakeGpu):
            api = FakeGpu.api - 1
        """
    )
    site.install("stranger", {"a": f"{module}:Gpu"})
    assert await names_in_order(site.registry()) == ["a"]


WITH_SETTINGS = """
    from whichweights.testing import FakeGpu
    from whichweights_schemas.providers import Settings

    class GpuSettings(Settings):
        address: str
        port: int = 9090

    class Gpu(FakeGpu):
        settings_model = GpuSettings

        async def status(self):
            return {"address": self.settings.address, "port": str(self.settings.port)}
"""


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({}, "[providers.a] address: required, and missing"),
        (
            {"address": "x", "adress": 1},
            "[providers.a] adress: unknown key (did you mean address?)",
        ),
        ({"address": "x", "port": "secret"}, "[providers.a] port: Input should be a valid integer"),
    ],
)
async def test_wrong_settings_are_told_under_the_providers_name_and_without_the_value(
    site: Site, section: dict[str, object], reason: str
):
    site.install("stranger", {"a": f"{site.module(WITH_SETTINGS)}:Gpu"})
    told = await reason_of(site, RegistrySettings(sections={"a": section}))
    assert told is not None
    assert told.startswith(reason)
    assert "secret" not in told


async def test_a_section_reaches_its_provider_and_may_differ_by_kind(site: Site):
    site.install("stranger", {"a": f"{site.module(WITH_SETTINGS)}:Gpu"})
    section = {"port": 1, "gpu": {"address": "here"}, "models": {"folder": "/srv"}}
    (info,) = await site.registry(RegistrySettings(sections={"a": section})).describe()
    assert info.facts == {"address": "here", "port": "1"}


async def test_the_order_is_the_configured_list_then_built_ins_then_strangers_by_name(site: Site):
    site.install("zebra", {"ape": FAKE_GPU, "cat": FAKE_GPU, "last": FAKE_GPU})
    site.install("whichweights", {"nvml": FAKE_GPU, "amd": FAKE_GPU, "system": FAKE_GPU})
    site.install("aardvark", {"bee": FAKE_GPU})
    by_default = ["nvml", "amd", "system", "ape", "bee", "cat", "last"]
    assert await names_in_order(site.registry()) == by_default
    chosen = RegistrySettings(order={"gpu": ("last", "zebra:cat", "system")})
    assert await names_in_order(site.registry(chosen)) == [
        *("last", "cat", "system", "nvml", "amd", "ape", "bee")
    ]


async def test_of_two_providers_with_one_name_neither_wins_silently(site: Site):
    site.install("acme", {"fleet": FAKE_GPU})
    site.install("zenith", {"fleet": FAKE_GPU, "other": FAKE_GPU})
    session = site.registry().session()
    answers = await session.all(GpuProvider, lambda gpu: gpu.accelerators())
    assert [name for name, _ in answers] == ["other"]
    assert session.warnings == (
        "2 providers of gpu are called 'fleet' (acme:fleet, zenith:fleet) and none is used: "
        'choose with [providers] order = {gpu = ["acme:fleet"]}',
    )
    states = [(i.distribution, i.state) for i in await site.registry().describe()]
    assert states == [("zenith", "ready"), ("acme", "duplicate"), ("zenith", "duplicate")]


async def test_the_configuration_decides_between_two_providers_with_one_name(site: Site):
    site.install("acme", {"fleet": FAKE_GPU})
    site.install("zenith", {"fleet": FAKE_GPU})
    registry = site.registry(RegistrySettings(order={"gpu": ("zenith:fleet",)}))
    session = registry.session()
    assert len(await session.all(GpuProvider, lambda gpu: gpu.accelerators())) == 1
    assert session.warnings == ()
    assert [(i.distribution, i.state, i.reason) for i in await registry.describe()] == [
        ("zenith", "ready", None),
        ("acme", "duplicate", "the configuration chose zenith:fleet"),
    ]


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (None, ["nvml", "system", "fleet"]),
        ((), []),
        (("fleet", "nvml"), ["nvml", "fleet"]),
        (("acme:*",), ["fleet"]),
        (BUILT_INS_ONLY, ["nvml", "system"]),
    ],
)
async def test_safe_mode_leaves_out_all_but_the_named(
    site: Site, only: tuple[str, ...] | None, names: list[str]
):
    site.install("whichweights", {"nvml": FAKE_GPU, "system": FAKE_GPU})
    broken = site.module("raise AssertionError('imported in safe mode')")
    site.install("acme", {"fleet": FAKE_GPU if "fleet" in names else f"{broken}:X"})
    registry = site.registry(RegistrySettings(only=only))
    assert await names_in_order(registry) == names
    described = await registry.describe()
    assert [info.name for info in described if info.state == "ready"] == names
    assert broken not in sys.modules


async def test_a_disabled_provider_is_not_asked_and_said_to_be_disabled(site: Site):
    site.install("acme", {"fleet": FAKE_GPU, "other": FAKE_GPU})
    registry = site.registry(RegistrySettings(disabled=("acme:fleet",)))
    assert await names_in_order(registry) == ["other"]
    assert [(info.name, info.state) for info in await registry.describe()] == [
        ("other", "ready"),
        ("fleet", "disabled"),
    ]


async def test_names_of_the_configuration_that_nobody_has_are_told(site: Site):
    site.install("acme", {"fleet": FAKE_GPU})
    settings = RegistrySettings(
        order={"gpu": ("fleet", "flet"), "models": ("fleet",)},
        disabled=("nvlm",),
        sections={"fleet": {}, "feet": {}},
    )
    assert site.registry(settings).warnings == (
        "the configuration names the provider 'flet' (order of gpu); none is installed",
        "the configuration names the provider 'fleet' (order of models); none is installed",
        "the configuration names the provider 'nvlm' (disabled); none is installed",
        "the configuration names the provider 'feet' (a section of its own); none is installed",
    )


async def test_groups_of_another_version_are_left_alone(site: Site):
    site.install("acme", {"x": "no.such:thing"}, kind="wizards")
    assert await site.registry().describe() == []


async def test_what_a_plugin_prints_while_it_loads_goes_to_standard_error(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    module = site.module(
        """
        import sys
        from whichweights.testing import FakeGpu
        print("welcome to the vendor library")
        sys.stdout.write("Copyright\\n")
        class Gpu(FakeGpu):
            def __init__(self, context):
                print("constructed")
                super().__init__(context)
        """
    )
    site.install("stranger", {"a": f"{module}:Gpu"})
    assert await names_in_order(site.registry()) == ["a"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "welcome to the vendor library\nCopyright\nconstructed\n"


async def test_while_a_plugin_hangs_in_its_import_others_print_where_they_always_did(
    site: Site, capsys: pytest.CaptureFixture[str]
):
    module = site.module(
        """
        import threading
        released = threading.Event()
        print("hanging")
        released.wait()
        print("late")
        from whichweights.testing import FakeGpu as Gpu
        """
    )
    site.install("stranger", {"a": f"{module}:Gpu"})
    registry = site.registry()
    assert await registry.session(0.2).all(GpuProvider, lambda gpu: gpu.accelerators()) == []
    sys.stdout.write("the answer\n")
    sys.modules[module].released.set()
    with anyio.fail_after(5):
        while not await names_in_order(registry):
            await anyio.lowlevel.checkpoint()
    captured = capsys.readouterr()
    assert captured.out == "the answer\n"
    assert captured.err == "hanging\nlate\n"


PROGRAM = """
    import json
    import anyio
    from whichweights.registry import Registry
    from whichweights_schemas.providers import GpuProvider

    async def main():
        registry = Registry()
        session = registry.session(2.0)
        await session.one(GpuProvider, "noisy", lambda gpu: gpu.accelerators())
        await session.one(GpuProvider, "stuck", lambda gpu: gpu.accelerators())
        print(json.dumps([report.model_dump() for report in session.reports]))

    anyio.run(main)
"""


def test_an_installed_plugin_is_found_kept_off_stdout_and_never_holds_up_the_exit(site: Site):
    noisy = site.module("print('noise')\nfrom whichweights.testing import FakeGpu")
    stuck = site.module("import threading\nthreading.Event().wait()")
    site.install("stranger", {"noisy": f"{noisy}:FakeGpu", "stuck": f"{stuck}:Gpu"})
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        env={**os.environ, "PYTHONPATH": str(site.folder)},
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.stderr == "noise\n"
    assert [(row["name"], row["status"]) for row in json.loads(done.stdout)] == [
        ("noisy", "answered"),
        ("stuck", "timeout"),
    ]
