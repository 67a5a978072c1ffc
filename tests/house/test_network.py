"""The tests themselves open only loopback connections."""

import os
import socket
import subprocess
import sys
import urllib.request

import pytest

# 192.0.2.0/24 is set aside for documentation (RFC 5737): nobody answers there.
ELSEWHERE = ("192.0.2.1", 443)


def test_a_connection_that_leaves_the_machine_is_refused(network_attempts: list[str]):
    with socket.socket() as client, pytest.raises(RuntimeError):
        client.connect(ELSEWHERE)
    assert network_attempts == ["socket.connect 192.0.2.1:443"]
    network_attempts.clear()


def test_a_datagram_that_leaves_the_machine_is_refused(network_attempts: list[str]):
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(RuntimeError):
        client.sendto(b"hello", ELSEWHERE)
    assert network_attempts == ["socket.sendto 192.0.2.1:443"]
    network_attempts.clear()


def test_a_name_of_another_machine_is_not_looked_up(network_attempts: list[str]):
    with pytest.raises(RuntimeError):
        socket.getaddrinfo("example.org", 443)
    assert network_attempts == ["socket.getaddrinfo example.org:443"]
    network_attempts.clear()


def test_a_web_request_through_the_blind_proxy_counts_as_an_attempt(network_attempts: list[str]):
    with pytest.raises(RuntimeError):
        urllib.request.urlopen("http://192.0.2.1/")
    assert network_attempts == ["socket.getaddrinfo 127.0.0.1:9"]
    network_attempts.clear()


def test_a_connection_to_loopback_is_made():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address, timeout=5) as client:
            assert client.getpeername() == address


def test_a_subprocess_sends_web_requests_to_a_closed_port_of_this_machine():
    program = "import urllib.request as u; print(sorted(set(u.getproxies().values())))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, encoding="utf-8"
    )
    assert "http://127.0.0.1:9" in answer.stdout
    assert os.environ["NO_PROXY"].startswith("127.0.0.1")
