"""Which folders of this machine may be read on a caller's word."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from whichweights_schemas.errors import InvalidArgument, PathNotAllowed

__all__ = ["allowed_path", "default_roots", "hub_cache", "is_path"]


def is_path(query: str) -> bool:
    """Whether a query can only be a path: absolute, from here, or from the home folder."""
    return (
        query in (".", "..")
        or query.startswith(("/", "./", "../", "~", ".\\", "..\\"))
        or os.path.isabs(query)
    )


def hub_cache(environ: Mapping[str, str]) -> Path:
    """huggingface_hub's own rule for its cache folder (its `constants`, read 2026-11)."""
    named = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = environ.get("HF_HOME")
    if not home:
        home = os.path.join(environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def default_roots(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The current folder, if it is a project's, and the Hub's cache."""
    current, home = Path.cwd().resolve(), Path.home().resolve()
    too_wide = current in (Path(current.anchor), home, *home.parents)
    return (hub_cache(environ),) if too_wide else (current, hub_cache(environ))


def allowed_path(
    path: str | Path, roots: Sequence[Path] | None, *, section: str, field: str = "model"
) -> Path:
    """The real path, links followed. Blocking.

    Raises PathNotAllowed outside the roots (None = `default_roots`), and InvalidArgument for what
    no file system takes as a path.
    """
    try:
        real = Path(path).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a loop of links, NUL, no such user
        raise InvalidArgument(
            f"this is no usable path ({type(error).__name__})", field=field, hint="check the path"
        ) from error
    allowed = default_roots() if roots is None else roots
    if not any(real.is_relative_to(root.expanduser().resolve()) for root in allowed):
        raise PathNotAllowed(
            f"{path} lies outside the folders that may be read",
            field=field,
            hint=f"add its folder to `roots` in [providers.{section}]",
        )
    return real
