"""What holds for every test: no network but loopback, and reproducible examples in CI."""

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

os.environ["PYTHONWARNDEFAULTENCODING"] = "1"
# Subprocesses do not inherit the audit hook below: their web requests go to the discard port of
# this machine, where nobody listens, and only what stays on loopback goes straight.
DISCARD_PORT = 9
for name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ[name] = os.environ[name.upper()] = f"http://127.0.0.1:{DISCARD_PORT}"
# A name the catalogue does not know would be looked up on the Hub; its own tests bring a Hub along.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes what the product answers now into the documents and snapshots."""
    parser.addoption(
        "--update", action="store_true", help="rewrite expected answers: read the diff after it"
    )


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine."""


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


_attempts: list[str] = []


def _target(event: str, arguments: tuple[object, ...]) -> tuple[object, object] | None:
    """The host and port an audit event is about; None when it is about no internet address."""
    if event == "socket.getaddrinfo":
        return arguments[0], arguments[1]
    if event in ("socket.connect", "socket.sendto"):
        connection, address = arguments[0], arguments[1]
        assert isinstance(connection, socket.SocketType)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            host, port, *_ = cast("tuple[object, ...]", address)
            return host, port
    return None


def _block_network(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: it sees every use of Python's sockets, whatever library makes it."""
    target = _target(event, arguments)
    if target and (not _is_local(target[0]) or target[1] == DISCARD_PORT):
        _attempts.append(f"{event} {target[0]}:{target[1]}")
        raise NetworkBlockedError(f"{_attempts[-1]}: tests open only loopback connections")


sys.addaudithook(_block_network)


@pytest.fixture(autouse=True)
def network_attempts() -> Iterator[list[str]]:
    """What a test tried to reach; it fails even if the code under test caught the error."""
    _attempts.clear()
    yield _attempts
    assert _attempts == []
