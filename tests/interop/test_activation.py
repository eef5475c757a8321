"""Sockets that systemd has opened: handed over as sd_listen_fds(3) says, by a shell in its place."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from nodes import Node

UP = "import os; os.environ['LISTEN_PID'] = str(os.getpid()); from sekisho.cli import main; main()"
"""The pid is known only once the program runs; systemd sets it between fork and exec."""


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


def start(tmp_path, names: str, *socks: socket.socket, count: str | None = None) -> subprocess.Popen:
    """A node that finds the sockets at descriptor 3 and after it; here they are closed."""
    moves = " ".join(f"{to}<&{sock.fileno()}" for to, sock in enumerate(socks, 3))
    script = f'exec "$0" "$@" {moves}'
    command = ["bash", "-c", script, sys.executable, "-c", UP, "up", "--data", tmp_path / "node"]
    command += ["--mqtt-port", "0", "--https-port", "0", "--api-port", "0"]
    handed = {"LISTEN_FDS": count or str(len(socks)), "LISTEN_FDNAMES": names}
    process = subprocess.Popen(
        [str(part) for part in command],
        env=os.environ | handed,
        pass_fds=[sock.fileno() for sock in socks],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for sock in socks:
        sock.close()
    return process


def test_the_node_serves_on_what_it_was_handed(tmp_path):
    https, api = listening(), listening()
    ports = [sock.getsockname()[1] for sock in (https, api)]
    process = start(tmp_path, "https:api", https, api)
    try:
        assert process.stdout is not None
        assert "Sekisho is ready" in process.stdout.readline()
        node = Node(tmp_path / "node")
        node.endpoints = json.loads((node.data / "endpoints.json").read_text())
        assert [node.address(name)[1] for name in ("https", "api")] == ports
        assert node.address("mqtt")[1] not in ports
        for tls in (True, False):
            assert node.client("sts", tls=tls).get_caller_identity()["Account"] == "000000000000"
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("names", "count", "words"),
    [
        ("web", None, "named web; expected are some of mqtt, https, api"),
        ("https:https", None, "each once"),
        ("https", "2", "LISTEN_FDS is '2', with 1 names"),
        ("https", "x", "LISTEN_FDS is 'x'"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path, names, count, words):
    socks = [listening() for _ in names.split(":")]
    process = start(tmp_path, names, *socks, count=count)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert words in said
    assert "Traceback" not in said


def test_a_socket_that_does_not_listen(tmp_path):
    sock = socket.socket()
    process = start(tmp_path, "https", sock)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "descriptor 3 (https) does not listen" in said
