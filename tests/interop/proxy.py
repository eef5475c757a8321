"""A proxy on loopback that leads every name to one address: so clients that resolve names by themselves can
be given names that no resolver knows."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

SOCKS = 5


@contextlib.contextmanager
def proxy(target: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Speaks SOCKS 5 (RFC 1928) and HTTP's CONNECT; the answer is its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_accept, args=(listening, target), daemon=True).start()
        yield listening.getsockname()


def _accept(listening: socket.socket, target: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):  # the end of the test
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, target), daemon=True).start()


def _serve(client: socket.socket, target: tuple[str, int]) -> None:
    with client, contextlib.suppress(OSError), socket.create_connection(target) as node:
        if client.recv(1, socket.MSG_PEEK)[0] == SOCKS:
            client.recv(256)
            client.sendall(b"\x05\x00")  # without authentication
            client.recv(512)
            client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        else:
            while b"\r\n\r\n" not in client.recv(4096):
                pass
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=_copy, args=(node, client), daemon=True).start()
        _copy(client, node)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
