"""Q10: *Can a certificate be registered without its CA in several regions?*

Yes: it is active in each, and the device connects to whichever it names.
"""

from __future__ import annotations

import queue
import socket

import paho.mqtt.client as paho
import pytest

from api.authorities import self_signed
from interop.accounts import DEFAULT, HERE, THERE, Tenant, papers, request
from interop.wire import PATIENCE
from nodes import running


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("q10") / "node", f"regions={HERE},{THERE}") as node:
        yield node


@pytest.fixture(scope="module")
def regions(node):
    return {region: Tenant(node, DEFAULT, region) for region in (HERE, THERE)}


@pytest.fixture
def device(regions, tmp_path, name):
    """A device with one certificate, which nobody has signed but itself, ACTIVE in both regions."""
    issued = self_signed(name[-60:])
    for region in regions.values():
        made = region.iot.register_certificate_without_ca(certificatePem=issued.pem, status="ACTIVE")
        region.welcome(made["certificateArn"])
    return papers(tmp_path, issued.pem, issued.key_pem)


def test_q10_one_certificate_connects_to_each_region(regions, device, name):
    with regions[HERE].online(device, name) as here, regions[THERE].online(device, name) as there:
        for wire in (here, there):
            wire.subscribe(name)
        here.publish(name, b"from the first")
        there.publish(name, b"from the second")
        assert [message.payload for message in here.messages()] == [b"from the first"]
        assert [message.payload for message in there.messages()] == [b"from the second"]


@pytest.mark.parametrize("endpoint_type", ["iot:Data", "iot:Data-ATS"])
def test_q10_by_https_too(node, regions, device, name, endpoint_type):
    for region in regions.values():
        with region.online(device, name) as wire:
            wire.subscribe(name)
            host = region.host(endpoint_type)
            assert request(node, device, host, "POST", f"/topics/{name}", host.encode()).status == 200
            assert wire.message().payload == host.encode()


def test_q10_paho_connects_to_each_region(node, regions, device, name, monkeypatch):
    """A client of somebody else's, which knows the endpoint's name alone; what would be in /etc/hosts is told
    to Python's resolver (`sekisho hosts`)."""
    known = {name for line in node.command("hosts").splitlines() for name in line.split()[1:]}
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *more, **named: resolve("127.0.0.1" if host in known else host, *more, **named),
    )
    for region in regions.values():
        host = region.host()
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
        client.tls_set(node.ca, *device.identity)
        told: queue.Queue[str] = queue.Queue()
        client.on_connect = lambda c, u, flags, reason, p: told.put(str(reason))  # noqa: B023
        client.connect(host, node.mqtt[1])
        client.loop_start()
        try:
            assert told.get(timeout=PATIENCE) == "Success"
        finally:
            client.disconnect()
            client.loop_stop()
