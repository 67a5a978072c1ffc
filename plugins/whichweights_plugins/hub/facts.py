"""What the Hub says of a repository, taken out of its JSON with suspicion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

__all__ = ["HubFile", "RepoFacts", "is_listing", "is_repo", "read_repo"]

MAX_TAGS: Final = 500
MAX_FILES: Final = 20_000
MAX_COUNT: Final = 2**53
_ID: Final = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)?")
_SHA: Final = re.compile(r"[0-9a-f]{40}")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the repository; `size_bytes` of the content, not of its pointer."""

    path: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class RepoFacts:
    """One repository at one commit. Counts are per dtype as the Hub counts them."""

    id: str
    sha: str | None = None
    gated: bool | None = None
    tags: tuple[str, ...] = ()
    license: str | None = None
    languages: tuple[str, ...] = ()
    created: str | None = None
    modified: str | None = None
    pipeline: str | None = None
    library: str | None = None
    downloads: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    gguf: Mapping[str, object] = field(default_factory=dict[str, object])
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    stored_bytes: int | None = None
    files: tuple[HubFile, ...] = ()

    @property
    def base_models(self) -> tuple[tuple[str, str], ...]:
        """(relation, id) of what it was made from; relation '' where the Hub does not say."""
        found: dict[str, str] = {}
        for tag in self.tags:
            if not tag.startswith("base_model:"):
                continue
            relation, _, identifier = tag.removeprefix("base_model:").rpartition(":")
            if identifier and (relation or identifier not in found):
                found[identifier] = relation
        return tuple((relation, identifier) for identifier, relation in found.items())


def is_repo(document: object) -> bool:
    """Whether a document describes a repository."""
    return isinstance(document, Mapping) and _identifier(cast("Json", document)) is not None


def is_listing(document: object) -> bool:
    """Whether a document is a list of repositories."""
    return isinstance(document, list) and all(map(is_repo, cast("list[object]", document)))


Json = Mapping[str, object]


def read_repo(document: object) -> RepoFacts:
    """The facts of a document that `is_repo`; a member of the wrong type is as good as absent."""
    values = cast("Json", document)
    card = _mapping(values.get("cardData"))
    tags = _texts(values.get("tags"))[:MAX_TAGS]
    gated = values.get("gated")
    sha = values.get("sha")
    return RepoFacts(
        id=_identifier(values) or "",
        sha=sha if isinstance(sha, str) and _SHA.fullmatch(sha) else None,
        gated=None if gated is None else gated is not False,
        tags=tags,
        license=_license(card, tags),
        languages=_texts(card.get("language"))[:200],
        created=_date(values.get("createdAt")),
        modified=_date(values.get("lastModified")),
        pipeline=_text(values.get("pipeline_tag")),
        library=_text(values.get("library_name")),
        downloads=_count(values.get("downloads")),
        counts=_counts(_mapping(_mapping(values.get("safetensors")).get("parameters"))),
        gguf=_mapping(values.get("gguf")),
        config=_mapping(values.get("config")),
        stored_bytes=_count(values.get("usedStorage")),
        files=_files(values.get("siblings")),
    )


def _identifier(values: Json) -> str | None:
    for key in ("id", "modelId"):
        found = values.get(key)
        if isinstance(found, str) and len(found) <= 200 and _ID.fullmatch(found):
            return found
    return None


def _mapping(value: object) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value[:200],)
    items = cast("Sequence[object]", value) if isinstance(value, list) else ()
    return tuple(item[:200] for item in items if isinstance(item, str))


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _counts(values: Json) -> dict[str, int]:
    counted = {name.upper(): _count(value) for name, value in list(values.items())[:64]}
    return {name: count for name, count in counted.items() if count}


def _date(value: object) -> str | None:
    found = _DATE.match(value) if isinstance(value, str) else None
    return found[0] if found else None


def _license(card: Json, tags: Sequence[str]) -> str | None:
    found = _texts(card.get("license"))
    tagged = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    tag = (*found, *tagged, None)[0]
    if tag == "other":
        return _text(card.get("license_name")) or tag
    return tag


def _files(value: object) -> tuple[HubFile, ...]:
    items = cast("Sequence[object]", value) if isinstance(value, list) else ()
    files: list[HubFile] = []
    for item in items[:MAX_FILES]:
        entry = _mapping(item)
        path = entry.get("rfilename")
        if isinstance(path, str) and 0 < len(path) <= 1000:
            size = _count(_mapping(entry.get("lfs")).get("size"))
            files.append(HubFile(path, _count(entry.get("size")) if size is None else size))
    return tuple(files)
