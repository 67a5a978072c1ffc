"""The `hub` provider: any model of the Hugging Face Hub or of a mirror."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, cast

import anyio

from whichweights_plugins._cache import AnswerCache, default_cache_file
from whichweights_plugins._roots import is_path
from whichweights_plugins.hub.client import Answer, HubClient
from whichweights_plugins.hub.facts import HubFile, RepoFacts, is_listing, is_repo, read_repo
from whichweights_plugins.hub.gguf_names import GgufName, as_gguf_name, chosen_parts
from whichweights_plugins.hub.reading import ConfigReading, ReadFile
from whichweights_plugins.hub.relatives import FINETUNED, QUANTIZED, relatives_of
from whichweights_plugins.hub.search import as_repo_id, rank, search_words
from whichweights_plugins.hub.settings import HubSettings
from whichweights_plugins.hub.weight_files import listed_files
from whichweights_schemas.errors import (
    InvalidArgument,
    ModelGated,
    ModelNotFound,
    Offline,
    UpstreamError,
)
from whichweights_schemas.models import ModelFile, ModelRef, ModelRelative, ModelSpec
from whichweights_schemas.providers import ModelProvider, ProviderContext
from whichweights_schemas.requests import FindModel, ModelQuestion

GgufReader = Callable[[RepoFacts, Sequence[HubFile], ReadFile, str, str], Awaitable[ModelSpec]]

_LISTED: Final = 30
_MOST_RELATIVES: Final = 100
_CONFIG: Final = "config.json"


class HubProvider(ModelProvider[HubSettings]):
    """Facts of a repository in two requests: what the Hub says of it, and its config.json.

    Sizes come from the list of files, counts from the Hub, the shape from the config; no weight
    file is opened. Answers are remembered; offline, and when the Hub fails, the remembered ones
    serve and say their age.
    """

    settings_model = HubSettings
    blocking_threads = 4

    def __init__(self, context: ProviderContext[HubSettings]) -> None:
        super().__init__(context)
        settings = context.settings
        file = settings.cache_file or default_cache_file()
        self._cache = (
            AnswerCache(file, max_bytes=settings.cache_max_bytes)
            if settings.cache_max_bytes
            else None
        )
        self._client = HubClient(settings, context.run_blocking, self._cache)
        self.last_resort = settings.last_resort

    def may_know(self, query: str) -> bool:
        return not is_path(query.strip()) and not query.strip().lower().startswith("ollama:")

    async def available(self) -> str | None:
        if not self._client.offline:
            return None
        answers, _ = await self._cache_facts()
        if answers:
            return None
        return "offline, and nothing of the Hub is cached"

    async def status(self) -> dict[str, str]:
        answers, size = await self._cache_facts()
        facts = {
            "endpoint": self._client.endpoint,
            "mode": "offline" if self._client.offline else "online",
            "cached": f"{answers} answers, {size / 2**20:.1f} MiB",
        }
        if self._cache is not None and self._cache.defect:
            facts["cache"] = f"unusable: {self._cache.defect}"
        return facts

    async def find(self, request: FindModel) -> Sequence[ModelRef]:
        query, _, revision = request.query.partition("@")
        gguf = as_gguf_name(query)
        if gguf is not None:
            return await self._by_file(gguf, request.revision or revision or None)
        identifier = as_repo_id(query)
        if identifier is not None:
            return await self._by_id(identifier, request.revision or revision or None)
        words = search_words(query)
        return await self._by_name(query, words, request.limit) if words else ()

    async def spec(self, ref: ModelRef) -> ModelSpec | None:
        until = self._until()
        gguf = as_gguf_name(ref.id)
        found = await self._repo(gguf.repo if gguf else ref.id, ref.revision, until)
        if found is None:
            return None
        repo, answer = found
        if gguf is not None:
            return await self._gguf_spec(repo, gguf, ref, until)
        reading = await self._config(repo, until)
        read_spec = await self.run_blocking(_spec_reader)
        return read_spec(repo, reading, answer, self._client.endpoint)

    async def files(self, request: ModelQuestion) -> Sequence[ModelFile]:
        found = await self._asked_about(request, self._until())
        return listed_files(found[0].files, request.limit) if found else ()

    async def relatives(self, request: ModelQuestion) -> Sequence[ModelRelative]:
        """What was made of the model, the most downloaded first, and what it was made of."""
        until = self._until()
        lists: dict[str, list[RepoFacts]] = {}
        failed: list[UpstreamError | Offline] = []
        found = await self._asked_about(request, until)
        if found is None:
            return ()
        repo = found[0]

        async def listing(relation: str) -> None:
            tag = f"base_model:{relation}:{repo.id}"
            wanted = ["safetensors", "gguf", "tags", "downloads", "usedStorage"]
            parameters: dict[str, str | list[str]] = {
                "filter": tag,
                "sort": "downloads",
                "limit": str(min(max(request.limit, _LISTED), _MOST_RELATIVES)),
                "expand": wanted,
            }
            about = f"relatives of {repo.id}"
            try:
                lists[relation] = await self._listing(parameters, about, until)
            except (UpstreamError, Offline) as error:
                failed.append(error)

        async with anyio.create_task_group() as group:
            for relation in (QUANTIZED, FINETUNED):
                group.start_soon(listing, relation)
        if failed and not lists:
            raise failed[0]
        rows = relatives_of(repo, lists.get(QUANTIZED, ()), lists.get(FINETUNED, ()))
        return rows[: request.limit]

    async def aclose(self) -> None:
        await self._client.aclose()

    def _until(self) -> float:
        return anyio.current_time() + self.settings.timeout

    async def _cache_facts(self) -> tuple[int, int]:
        if self._cache is None:
            return 0, 0
        return await self.run_blocking(self._cache.facts)

    async def _by_id(self, identifier: str, revision: str | None) -> Sequence[ModelRef]:
        found = await self._repo(identifier, revision, self._until())
        if found is None:
            return ()
        repo, note = found[0], None
        if repo.id.lower() != identifier.lower():
            note = f"{identifier} is called {repo.id} on the Hub now"
        return (self._ref(repo, "id", revision, note),)

    async def _by_file(self, name: GgufName, revision: str | None) -> Sequence[ModelRef]:
        found = await self._repo(name.repo, revision, self._until())
        parts = chosen_parts(found[0], name) if found else ()
        if found is None or not parts:
            return ()
        repo = found[0]
        ref = self._ref(repo, "id", revision, None)
        return (ref.model_copy(update={"id": f"{repo.id}/{parts[0].path}"}),)

    async def _gguf_spec(
        self, repo: RepoFacts, name: GgufName, ref: ModelRef, until: float
    ) -> ModelSpec | None:
        """From the headers of the file, read by range once and then remembered."""
        parts = chosen_parts(repo, name)
        if not parts:
            return None
        commit = repo.sha or ref.revision or "main"

        async def read(file: HubFile, offset: int, length: int) -> bytes:
            path = self._client.file_path(repo.id, commit, file.path)
            return await self._client.range(
                path, offset, length, about=f"{repo.id}/{file.path}", until=until
            )

        async def make() -> bytes:
            gguf_spec = await self.run_blocking(_gguf_reader)
            source = f"GGUF header of {ref.id}" + (f" @{repo.sha[:7]}" if repo.sha else "")
            spec = await gguf_spec(repo, parts, read, ref.id, source)
            return spec.model_dump_json().encode("utf-8")

        key = f"gguf-1 {repo.id} {repo.sha} {parts[0].path}" if repo.sha else None
        return ModelSpec.model_validate_json(await self._client.derived(key, make))

    async def _by_name(self, query: str, words: str, limit: int) -> Sequence[ModelRef]:
        parameters: dict[str, str | list[str]] = {
            "search": words,
            "sort": "downloads",
            "limit": str(_LISTED),
        }
        repos = await self._listing(parameters, f"models called {words}", self._until())
        hits = rank(query, repos, limit)
        return [self._ref(hit.repo, hit.match, None, _fame(hit.repo)) for hit in hits]

    def _ref(
        self,
        repo: RepoFacts,
        match: Literal["id", "partial", "similar"],
        revision: str | None,
        note: str | None,
    ) -> ModelRef:
        return ModelRef(
            id=repo.id,
            provider=self.name,
            display_name=repo.id.rpartition("/")[2],
            revision=revision,
            match=match,
            note=note,
        )

    async def _listing(
        self, parameters: Mapping[str, str | list[str]], about: str, until: float
    ) -> list[RepoFacts]:
        answer = await self._client.json(
            "/api/models", parameters, about=about, until=until, check=is_listing
        )
        return [read_repo(entry) for entry in cast("list[object]", answer.data)[:_MOST_RELATIVES]]

    async def _asked_about(
        self, request: ModelQuestion, until: float
    ) -> tuple[RepoFacts, Answer] | None:
        """The repository of a model, or of the file in it that the id names."""
        gguf = as_gguf_name(request.ref.id)
        identifier = gguf.repo if gguf else request.ref.id
        return await self._repo(identifier, request.ref.revision, until)

    async def _repo(
        self, identifier: str, revision: str | None, until: float
    ) -> tuple[RepoFacts, Answer] | None:
        """What the Hub says of a repository; None where there is none of that name."""
        valid = as_repo_id(identifier)
        if valid is None:
            return None
        path = f"/api/models/{valid}"
        if revision is not None:
            path = self._client.revision_path(valid, revision)
        try:
            answer = await self._client.json(
                path, {"blobs": "true"}, about=valid, until=until, check=is_repo
            )
        except (ModelNotFound, InvalidArgument):
            return None
        return read_repo(answer.data), answer

    async def _config(self, repo: RepoFacts, until: float) -> ConfigReading:
        """The config.json at the commit the facts are of, or the reason there is none."""
        if repo.files and not any(file.path == _CONFIG for file in repo.files):
            return ConfigReading(problem="the repository holds no config.json")
        path = self._client.file_path(repo.id, repo.sha or "main", _CONFIG)
        about = f"{_CONFIG} of {repo.id}"
        try:
            answer = await self._client.json(
                path, about=about, until=until, check=_is_object, immutable=repo.sha is not None
            )
        except ModelGated as error:
            return ConfigReading(problem=f"{error.message}: {error.hint}")
        except (ModelNotFound, InvalidArgument, Offline, UpstreamError) as error:
            return ConfigReading(problem=error.message)
        return ConfigReading(cast("Mapping[str, object]", answer.data))


def _spec_reader() -> Callable[[RepoFacts, ConfigReading, Answer, str], ModelSpec]:
    """The readers of all architectures take a while to import: in the thread, at first use."""
    from whichweights_plugins.hub.specs import read_spec

    return read_spec


def _gguf_reader() -> GgufReader:
    from whichweights_plugins.hub.gguf_files import gguf_spec

    return gguf_spec


def _is_object(document: object) -> bool:
    return isinstance(document, dict) and bool(cast("dict[object, object]", document))


def _fame(repo: RepoFacts) -> str | None:
    if repo.downloads is None:
        return None
    return f"{repo.id} was found on the Hub by its name ({repo.downloads:,} downloads a month)"
