"""The configuration file: which providers, in what order, with what settings, under what limits.

TOML, at the path given, else at `WHICHWEIGHTS_CONFIG`, else `config.toml` in the user's
configuration folder, which need not exist:

    [providers]
    order = { models = ["acme", "catalogue"] }
    disabled = ["nvml"]

    [providers.acme]        # settings of the provider `acme`, validated by the provider itself
    folder = "/srv/models"

    [limits]
    provider_seconds = 10

    [files]                 # what count_tokens may read by `path`
    roots = ["~/projects"]

`WHICHWEIGHTS_PROVIDERS` stands above the file: a comma list means these providers only, an empty
value none, `whichweights:*` the built-ins only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from whichweights._problems import first_problem
from whichweights._registry_settings import DEFAULT_PROVIDER_SECONDS, RegistrySettings
from whichweights_schemas.errors import OperatorError
from whichweights_schemas.evidence import ProviderKind

__all__ = ["Config", "ConfigError", "Files", "Limits", "Providers", "config_path", "load_config"]

CONFIG_VARIABLE = "WHICHWEIGHTS_CONFIG"
PROVIDERS_VARIABLE = "WHICHWEIGHTS_PROVIDERS"

ProviderName = Annotated[
    str,
    Field(min_length=1, description="name, distribution:name or distribution:*"),
]


class ConfigError(OperatorError):
    """The configuration file cannot be read, or says something that makes no sense."""

    code = "invalid_config"


class Providers(BaseModel):
    """`[providers]`. Every other table in it is the section of the provider of that name."""

    model_config = ConfigDict(frozen=True, extra="allow")
    # pydantic takes the type of the extra tables from this declaration.
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    order: dict[ProviderKind, tuple[ProviderName, ...]] = Field(
        default_factory=dict[ProviderKind, "tuple[ProviderName, ...]"],
        description="By kind: whom to ask first. Those not named follow.",
    )
    disabled: tuple[ProviderName, ...] = Field(default=(), description="Never asked")
    only: tuple[ProviderName, ...] | None = Field(
        default=None, description="Nobody but these; null = all that are installed"
    )


class Limits(BaseModel):
    """`[limits]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider_seconds: float = Field(
        default=DEFAULT_PROVIDER_SECONDS,
        gt=0,
        le=3600,
        description="How long one tool call waits for providers altogether",
    )


class Files(BaseModel):
    """`[files]`: what `path` of count_tokens may read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roots: tuple[Path, ...] | None = Field(
        default=None,
        description="Folders; default: the current one, unless it is a home folder or /",
    )


class Config(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    providers: Providers = Field(default_factory=Providers)
    limits: Limits = Field(default_factory=Limits)
    files: Files = Field(default_factory=Files)

    def registry_settings(self, *, local_callers: bool = True) -> RegistrySettings:
        """What `Registry` needs of this file.

        `local_callers` = False where callers are on other machines: then no file is read but under
        the folders the operator named.
        """
        return RegistrySettings(
            order=self.providers.order,
            disabled=self.providers.disabled,
            only=self.providers.only,
            sections=self.providers.__pydantic_extra__,
            provider_seconds=self.limits.provider_seconds,
            file_roots=() if self.files.roots is None and not local_callers else self.files.roots,
        )


def config_path(path: Path | str | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read: the one given, else the variable's, else the user's if there is one."""
    chosen = path or environ.get(CONFIG_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    default = Path(platformdirs.user_config_dir("whichweights", appauthor=False)) / "config.toml"
    return default if default.is_file() else None


def load_config(path: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of this process. Reads a file: call it at start, not in a request.

    Raises ConfigError, which names the file and the field.
    """
    environ = os.environ if environ is None else environ
    file = config_path(path, environ)
    config = _read(file) if file else Config()
    only = environ.get(PROVIDERS_VARIABLE)
    if only is None:
        return config
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    return config.model_copy(
        update={"providers": config.providers.model_copy(update={"only": names})}
    )


def _read(file: Path) -> Config:
    import tomllib  # most installations have no file to read

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"{file}: {reason}",
            hint=f"give the path of a TOML file, or unset {CONFIG_VARIABLE} to use the defaults",
        ) from None
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}", hint="mend the line it names") from None
    except ValidationError as error:
        sections = (Config, Providers, Limits, Files)
        known = [name for section in sections for name in section.model_fields]
        raise ConfigError(
            f"{file}: {first_problem(error, known)}",
            hint="the sections are [providers], [providers.<name>], [limits] and [files]",
        ) from None
