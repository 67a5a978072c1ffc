"""A faithful local Hub: real HTTP on loopback, true headers, zero bodies, a log of every request.

What it does follows the documented behaviour of huggingface.co: ETag and X-Repo-Commit on files,
If-None-Match, Range with 206 and 416, LFS files behind an absolute redirect to another host name,
gated repositories (facts for all, files with a token), 401 for what strangers may not know.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from whichweights_plugins.hub.provider import HubProvider

MakeProvider = Callable[..., HubProvider]
Receive = Callable[[], Any]
Send = Callable[[Mapping[str, Any]], Any]
GOOD_TOKEN = "hf_good"
WIDTHS = {"F32": 4, "BF16": 2, "F16": 2, "I32": 4, "U8": 1, "F8_E4M3": 1, "I64": 8, "U32": 4}
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
_CHUNK = 2**16


@dataclass(frozen=True)
class File:
    """The first bytes of a file and its whole size; the rest is zeros that are never stored."""

    head: bytes
    size: int
    lfs: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.head + str(self.size).encode()).hexdigest()

    def read(self, start: int, end: int) -> bytes:
        """Bytes from `start` up to, not including, `end`."""
        real = self.head[start:end]
        return real + bytes(end - start - len(real))


def text_file(content: object) -> File:
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    data = text.encode()
    return File(data, len(data))


def safetensors_file(tensors: Shapes) -> File:
    """A truthful header over a body of zeros."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        end = offset + prod(shape) * WIDTHS[dtype]
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return File(len(header).to_bytes(8, "little") + header, 8 + len(header) + offset, lfs=True)


@dataclass
class Repo:
    """A repository. `counts` = elements per dtype as the Hub lists them."""

    id: str
    files: dict[str, File]
    counts: dict[str, int] = field(default_factory=dict[str, int])
    tags: list[str] = field(default_factory=list[str])
    gated: bool = False
    downloads: int = 100
    extra: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def sha(self) -> str:
        digests = "".join(f"{path}{file.digest}" for path, file in self.files.items())
        return hashlib.sha1((self.id + digests).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Logged:
    """A request and what was sent for it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    status: int
    sent_bytes: int


@dataclass
class Fault:
    """What goes wrong for paths that contain `where`, `times` times (-1 = always)."""

    where: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    kind: str = "answer"  # or: hang, truncate
    times: int = -1


def counted(tensors: Shapes) -> dict[str, int]:
    found: dict[str, int] = {}
    for dtype, shape in tensors.values():
        found[dtype] = found.get(dtype, 0) + prod(shape)
    return found


class LocalHub:
    """Use as a context manager; `endpoint` is what HF_ENDPOINT would be."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self.page_size = 100
        self.lives = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._port = self._socket.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self._port}"
        self.storage = f"http://localhost:{self._port}"
        routes = [
            Route("/api/agent-harnesses", self._not_here),
            Route("/api/models", self._list),
            Route("/api/models/{owner}/{name}", self._info),
            Route("/api/models/{owner}/{name}/revision/{revision}", self._info),
            Route("/api/models/{owner}/{name}/tree/{revision}", self._tree),
            Route("/{owner}/{name}/resolve/{revision}/{path:path}", self._resolve),
            Route("/storage/{owner}/{name}/{path:path}", self._storage),
        ]
        config = uvicorn.Config(
            _Recorder(self, Starlette(routes=routes)),
            log_level="critical", lifespan="off", ws="none", http="h11",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._hanging: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def __enter__(self) -> LocalHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def reset(self) -> None:
        """As new: no repositories, no faults, nobody left hanging."""
        for kept in (self.repos, self.moved, self.faults, self.log):
            kept.clear()
        self.page_size = 100
        self.lives += 1
        hanging, self._hanging = self._hanging, []
        for loop, released in hanging:
            loop.call_soon_threadsafe(released.set)

    def add(self, repo: Repo) -> Repo:
        self.repos[repo.id.lower()] = repo
        return repo

    def requests(self, *parts: str) -> list[Logged]:
        """The requests so far whose path contains all of these."""
        return [entry for entry in self.log if all(part in entry.path for part in parts)]

    @property
    def sent_bytes(self) -> int:
        return sum(entry.sent_bytes for entry in self.log)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def take_fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.where in path and fault.times:
                fault.times -= 1
                return fault
        return None

    async def hang(self) -> None:
        """Wait until the hub is reset."""
        released = asyncio.Event()
        self._hanging.append((asyncio.get_running_loop(), released))
        await released.wait()

    async def _not_here(self, request: Request) -> Response:
        return Response(status_code=404)

    def _repo(self, request: Request) -> Repo | Response:
        parameters = request.path_params
        identifier = f"{parameters['owner']}/{parameters['name']}"
        new = self.moved.get(identifier)
        if new is not None:
            return Response(
                status_code=307, headers={"Location": request.url.path.replace(identifier, new)}
            )
        repo = self.repos.get(identifier.lower())
        if repo is None:
            status = 404 if _token(request) == GOOD_TOKEN else 401
            return _error(status, "RepoNotFound", "Repository not found")
        revision = parameters.get("revision", "main")
        if revision not in ("main", repo.sha):
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo

    async def _info(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        blobs = request.query_params.get("blobs", "").lower() == "true"
        return _json(request, _described(repo, files=True, blobs=blobs))

    async def _tree(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        rows = [
            {"type": "file", "path": path, "size": file.size, "oid": file.digest[:40]}
            for path, file in repo.files.items()
        ]
        return _json(request, rows)

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        wanted = query.get("search", "").lower()
        found = [repo for repo in self.repos.values() if wanted in repo.id.lower()]
        for tag in query.getlist("filter"):
            found = [repo for repo in found if tag in repo.tags]
        if query.get("sort") == "downloads":
            found.sort(key=lambda repo: -repo.downloads)
        start = int(query.get("cursor", "0"))
        limit = min(int(query.get("limit", "1000")), self.page_size)
        page = found[start : start + limit]
        headers: dict[str, str] = {}
        if start + limit < len(found):
            rest = {**query, "cursor": str(start + limit)}
            headers["Link"] = f'<{self.endpoint}/api/models?{urlencode(rest)}>; rel="next"'
        expanded = query.getlist("expand")
        rows = [_described(repo, files=False, blobs=False) for repo in page]
        if expanded:
            keys = ("_id", "id", *expanded)
            rows = [{key: row[key] for key in keys if key in row} for row in rows]
        return _json(request, rows, headers)

    async def _resolve(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        if repo.gated and _token(request) != GOOD_TOKEN:
            status = 403 if _token(request) else 401
            return _error(status, "GatedRepo", f"Access to model {repo.id} is restricted")
        path = request.path_params["path"]
        file = repo.files.get(path)
        if file is None:
            return _error(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": repo.sha, "ETag": f'"{file.digest[:40]}"'}
        if file.lfs:
            headers |= {
                "X-Linked-Etag": f'"{file.digest}"',
                "X-Linked-Size": str(file.size),
                "Location": f"{self.storage}/storage/{repo.id}/{path}",
            }
            return Response(status_code=302, headers=headers)
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return _served(request, file, headers)

    async def _storage(self, request: Request) -> Response:
        repo = self._repo(request)
        if isinstance(repo, Response):
            return repo
        file = repo.files[request.path_params["path"]]
        return _served(request, file, {"ETag": f'"{file.digest}"'})


class _Recorder:
    """Outermost: counts what is sent, and lets go wrong what a test wants to go wrong."""

    def __init__(self, hub: LocalHub, app: Starlette) -> None:
        self._hub = hub
        self._app = app

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        status, sent, life = 0, 0, self._hub.lives

        async def counting(message: Mapping[str, Any]) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        query = scope["query_string"].decode()
        fault = self._hub.take_fault(scope["path"])
        try:
            if fault is None:
                await self._app(dict(scope), receive, counting)
            else:
                await self._misbehave(fault, counting)
        finally:
            logged = Logged(scope["method"], scope["path"], query, headers, status, sent)
            if life == self._hub.lives:  # one that hung until the reset is of the past
                self._hub.log.append(logged)

    async def _misbehave(self, fault: Fault, send: Send) -> None:
        if fault.kind == "hang":
            await self._hub.hang()
            return
        length = len(fault.body) + (1000 if fault.kind == "truncate" else 0)
        headers = {
            "content-type": "application/json",
            **fault.headers,
            "content-length": str(length),
        }
        pairs = [(key.lower().encode(), value.encode()) for key, value in headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": pairs})
        cut = fault.kind == "truncate"
        await send({"type": "http.response.body", "body": fault.body, "more_body": cut})


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse(
        {"error": message}, status, headers={"X-Error-Code": code, "X-Error-Message": message}
    )


def _json(request: Request, document: object, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(document).encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:27]}"'
    kept = {"ETag": tag, **(headers or {})}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=kept)
    return Response(body, headers=kept, media_type="application/json")


def _described(repo: Repo, *, files: bool, blobs: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "_id": repo.sha[:24], "id": repo.id, "modelId": repo.id, "sha": repo.sha,
        "private": False, "gated": "manual" if repo.gated else False, "disabled": False,
        "downloads": repo.downloads, "likes": 3, "tags": repo.tags, "library_name": "transformers",
        "pipeline_tag": "text-generation", "createdAt": "2026-03-04T05:06:07.000Z",
        "lastModified": "2026-04-05T06:07:08.000Z",
        "usedStorage": sum(file.size for file in repo.files.values()),
        **repo.extra,
    }  # fmt: skip
    if repo.counts:
        document["safetensors"] = {"parameters": repo.counts, "total": sum(repo.counts.values())}
    if files:
        document["siblings"] = [_sibling(path, file, blobs) for path, file in repo.files.items()]
    return document


def _sibling(path: str, file: File, blobs: bool) -> dict[str, object]:
    entry: dict[str, object] = {"rfilename": path}
    if blobs:
        entry |= {"size": file.size, "blobId": file.digest[:40]}
        if file.lfs:
            entry["lfs"] = {"sha256": file.digest, "size": file.size, "pointerSize": 135}
    return entry


def _served(request: Request, file: File, headers: Mapping[str, str]) -> Response:
    start, end, status, kept = 0, file.size, 200, {**headers, "Accept-Ranges": "bytes"}
    asked = request.headers.get("range", "")
    if asked.startswith("bytes="):
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) + 1 if last else file.size, file.size)
        if start >= file.size:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{file.size}"})
        status, kept["Content-Range"] = 206, f"bytes {start}-{end - 1}/{file.size}"
    kept["Content-Length"] = str(end - start)

    async def body() -> AsyncIterator[bytes]:
        for offset in range(start, end, _CHUNK):
            yield file.read(offset, min(offset + _CHUNK, end))

    if request.method == "HEAD":
        return Response(status_code=status, headers=kept)
    return StreamingResponse(body(), status, headers=kept)
