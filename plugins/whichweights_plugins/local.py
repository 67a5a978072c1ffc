"""The `local` provider: models that lie on this machine, told by the headers of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from whichweights_plugins._roots import allowed_path, default_roots, is_path
from whichweights_plugins.hub.weight_files import listed_files
from whichweights_schemas.models import ModelFile, ModelRef, ModelSpec
from whichweights_schemas.providers import ModelProvider, Settings
from whichweights_schemas.requests import FindModel, ModelQuestion

_SUFFIXES: Final = (".gguf", ".safetensors", "config.json")


class LocalSettings(Settings):
    """Which folders of this machine may be read."""

    roots: tuple[Path, ...] | None = Field(
        default=None,
        description="Folders models may be named in; default: the current one, the Hub's cache",
    )


class LocalProvider(ModelProvider[LocalSettings]):
    """A folder or a file as a model: headers are read, contents never, links out are refused."""

    settings_model = LocalSettings
    blocking_threads = 2

    def may_know(self, query: str) -> bool:
        return is_path(query.strip()) or query.strip().lower().endswith(_SUFFIXES)

    async def status(self) -> dict[str, str]:
        roots = self.settings.roots
        named = await self.run_blocking(default_roots) if roots is None else roots
        return {"roots": ", ".join(str(root) for root in named) or "none"}

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        """The path itself. Raises ModelNotFound, AmbiguousModel and PathNotAllowed."""
        given = request.query.strip()
        if not self.may_know(given):
            return ()
        return await self.run_blocking(self._find, given)

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        if not self.may_know(ref.id):
            return None
        return await self.run_blocking(self._spec, ref.id)

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        if not self.may_know(request.ref.id):
            return ()
        return await self.run_blocking(self._files, request.ref.id, request.limit)

    def _allow(self, path: Path) -> Path:
        return allowed_path(path, self.settings.roots, section=self.name)

    def _there(self, given: str) -> bool:
        """Whether a name that only looks like a file's is one; others may know it as well."""
        try:
            return is_path(given) or ".." in Path(given).parts or Path(given).exists()
        except (OSError, ValueError):
            return False

    def _find(self, given: str) -> tuple[ModelRef, ...]:
        from whichweights_plugins._local_folder import local_model

        if not self._there(given):
            return ()
        local_model(given, self._allow)
        name = Path(given).expanduser().name or given
        return (ModelRef(id=given, provider=self.name, display_name=name, match="id"),)

    def _spec(self, given: str) -> ModelSpec | None:
        # The readers of all architectures take a while to import: in the thread, at first use.
        from whichweights_plugins._local_folder import local_model
        from whichweights_plugins._local_spec import read_model

        if not self._there(given):
            return None
        return read_model(local_model(given, self._allow), given)

    def _files(self, given: str, limit: int) -> tuple[ModelFile, ...]:
        from whichweights_plugins._local_folder import local_model

        if not self._there(given):
            return ()
        return listed_files(local_model(given, self._allow).files, limit)
