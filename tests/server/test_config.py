"""The configuration file: found, read, overridden by the environment, wrong in one clear line."""

from pathlib import Path

import platformdirs
import pytest
from pydantic import TypeAdapter

from whichweights.config import Config, ConfigError, config_path, load_config
from whichweights.registry import RegistrySettings

WHOLE_FILE = """
[providers]
order = { models = ["acme", "catalogue"], gpu = ["zenith:fleet"] }
disabled = ["nvml"]

[providers.acme]
folder = "/srv/models"
gpu = { address = "10.0.0.1" }

[limits]
provider_seconds = 2.5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user configuration folder."""
    folder = tmp_path / "home"

    def user_config_dir(name: str, appauthor: bool) -> str:
        return str(folder / name)

    monkeypatch.setattr(platformdirs, "user_config_dir", user_config_dir)
    return folder / "whichweights"


def complaint(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {})
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint
    return caught.value.message.removeprefix(f"{file}: ")


def test_without_a_file_everything_has_a_default():
    config = load_config(environ={})
    assert config == Config()
    assert config.registry_settings() == RegistrySettings()


def test_the_file_becomes_the_settings_of_the_registry(file: Path):
    file.write_text(WHOLE_FILE, encoding="utf-8")
    assert load_config(file, {}).registry_settings() == RegistrySettings(
        order={"models": ("acme", "catalogue"), "gpu": ("zenith:fleet",)},
        disabled=("nvml",),
        sections={"acme": {"folder": "/srv/models", "gpu": {"address": "10.0.0.1"}}},
        provider_seconds=2.5,
    )


def test_the_given_path_stands_above_the_variable_and_that_above_the_users_folder(
    file: Path, home: Path, tmp_path: Path
):
    assert config_path(None, {}) is None
    home.mkdir(parents=True)
    (home / "config.toml").touch()
    assert config_path(None, {}) == home / "config.toml"
    other = tmp_path / "other.toml"
    assert config_path(None, {"WHICHWEIGHTS_CONFIG": str(other)}) == other
    assert config_path(None, {"WHICHWEIGHTS_CONFIG": ""}) == home / "config.toml"
    assert config_path(file, {"WHICHWEIGHTS_CONFIG": str(other)}) == file


@pytest.mark.parametrize(
    ("value", "only"),
    [
        ("", ()),
        (" ", ()),
        ("nvml", ("nvml",)),
        ("nvml, acme:fleet ,", ("nvml", "acme:fleet")),
        ("whichweights:*", ("whichweights:*",)),
    ],
)
def test_the_variable_chooses_the_providers_and_leaves_the_rest_of_the_file(
    file: Path, value: str, only: tuple[str, ...]
):
    file.write_text(WHOLE_FILE, encoding="utf-8")
    settings = load_config(file, {"WHICHWEIGHTS_PROVIDERS": value}).registry_settings()
    assert settings.only == only
    assert settings.disabled == ("nvml",)
    assert settings.sections["acme"]["folder"] == "/srv/models"


NOT_POSITIVE = "limits.provider_seconds: Input should be greater than 0"
TOO_LONG = "limits.provider_seconds: Input should be less than or equal to 3600"
MISSPELT = "limits.provider_second: unknown key (did you mean provider_seconds?)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[limits]\nprovider_second = 3", MISSPELT),
        ("[limit]\nprovider_seconds = 3", "limit: unknown key (did you mean limits?)"),
        ("[limits]\nprovider_seconds = 0", NOT_POSITIVE),
        ("[limits]\nprovider_seconds = inf", TOO_LONG),
        ("[providers]\ndisabled = 'nvml'", "providers.disabled: Input should be a valid tuple"),
        ("[providers]\nacme = 3", "providers.acme: Input should be a valid dictionary"),
        ("[providers]\norder = ['acme']", "providers.order: Input should be a valid dictionary"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_field(file: Path, text: str, message: str):
    assert complaint(file, text) == message


def test_a_kind_that_does_not_exist_is_refused_in_the_order(file: Path):
    assert complaint(file, "[providers]\norder = {wizards = ['acme']}").startswith(
        "providers.order.wizards"
    )


def test_what_is_not_toml_is_told_with_its_line(file: Path):
    assert "line 2" in complaint(file, "[limits]\nprovider_seconds = = 3\n")


def test_a_file_that_is_not_there_or_not_text_is_told(file: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="No such file"):
        load_config(file, {})
    with pytest.raises(ConfigError):
        load_config(tmp_path, {})
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(file, {})


def test_the_schema_of_the_file_describes_the_sections_of_providers():
    schema = TypeAdapter(Config).json_schema()
    assert set(schema["properties"]) == {"providers", "limits", "files"}
    assert schema["additionalProperties"] is False
    providers = schema["$defs"]["Providers"]
    assert set(providers["properties"]) == {"order", "disabled", "only"}
    assert providers["additionalProperties"]["type"] == "object"
