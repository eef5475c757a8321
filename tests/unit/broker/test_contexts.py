"""Which TLS context a client gets: by what has come of its first record, and by what never will."""

from __future__ import annotations

import select
import socket
import time

import pytest

from sekisho.broker.contexts import Contexts
from sekisho.broker.stapling import Stapling
from sekisho.logic.certificates import make_ca, make_server_certificate
from unit.broker.test_client_hello import hello

NAME = "iot.example.com"

pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # older ones want them


@pytest.fixture
def contexts():
    now = time.time()
    ca, ca_key = make_ca("contexts", now, 1)
    certificate, key = make_server_certificate(ca, ca_key, ["localhost"], now)
    contexts = Contexts(certificate, key, ca, Stapling(time.time, time.monotonic))
    contexts.named = {NAME: contexts.default}
    return contexts


@pytest.fixture
def pair():
    """A client, and the node's non-blocking side of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    server.setblocking(False)
    with client, server:
        yield client, server


def readable(server) -> bool:
    return bool(select.select([server], [], [], 0.2)[0])


def test_a_record_in_pieces_wakes_nobody_before_it_is_whole(contexts, pair):
    client, server = pair
    data = hello(NAME)
    for part in (data[:3], data[3:40], data[40:-1]):
        client.sendall(part)
        while readable(server):
            with pytest.raises(BlockingIOError):
                contexts.choose(server)
    client.sendall(data[-1:])
    assert readable(server)
    assert contexts.choose(server) == NAME


@pytest.mark.parametrize("size", [1, 4, 5, 40, -1])
def test_who_ends_in_the_middle_of_a_record_is_not_waited_for(contexts, pair, size):
    """The socket is readable from then on, so nothing that waits for more may be left to wait."""
    client, server = pair
    client.sendall(hello(NAME)[:size])
    client.shutdown(socket.SHUT_WR)
    looks = 0
    while True:
        assert readable(server)
        looks += 1
        assert looks < 5
        try:
            contexts.choose(server)
        except BlockingIOError:
            continue
        break
