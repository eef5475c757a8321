"""Question 2: is a certificate that is registered without its CA less secure?

The handshake asks for the same proof of the private key whoever signed the certificate. What a stolen key
makes possible is that two devices use one certificate; this platform finds that from its connections and
reports it, for certificates of every origin.
"""

from __future__ import annotations

import threading

import pytest
from paho.mqtt import client as paho

from interop.devices import ANYTHING


class Copy:
    """A device made with paho that holds a certificate and its key; ``address`` is where it connects from."""

    def __init__(self, device, client_id: str, address: str = "127.0.0.1") -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTv311)
        self.client.tls_set(device.node.ca, *device.identity)
        # Whoever is cut off comes back as every device does, only sooner.
        self.client.reconnect_delay_set(1, 1)
        self.connected = threading.Semaphore(0)
        self.client.on_connect = lambda *_: self.connected.release()
        self.client.connect(*device.node.mqtt, bind_address=address)
        self.client.loop_start()
        self.wait()

    def wait(self) -> None:
        assert self.connected.acquire(timeout=20)

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def stolen(device):
    return device("stolen", statements=ANYTHING)


def reported(own, device):
    return own.list_shared_certificates(certificateId=device.certificate_id)["sharedCertificates"]


def test_q02_double_use_under_two_names_from_two_addresses_is_found_and_reported(own, stolen):
    with Copy(stolen, "the-device"):
        assert reported(own, stolen) == []
        with Copy(stolen, "the-thief", "127.0.0.2"):
            [found] = reported(own, stolen)
    assert found["ways"] == ["ADDRESSES", "CLIENTS"]
    assert found["clientIds"] == ["the-device", "the-thief"]
    assert found["sourceIps"] == ["127.0.0.1", "127.0.0.2"]
    assert "disconnectedAt" not in found["first"], "both last"
    [kept] = reported(own, stolen)
    assert kept["second"]["clientId"] == "the-thief", "it is still found when both are gone"


def test_q02_double_use_under_the_same_name_is_found_by_the_two_cutting_each_other_off(own, stolen):
    with Copy(stolen, stolen.name) as device, Copy(stolen, stolen.name, "127.0.0.3") as copy:
        assert reported(own, stolen) == [], "a device that moves once is one device"
        device.wait()  # it was cut off, and is back
        copy.wait()
        [found] = reported(own, stolen)
    assert found["ways"] == ["TAKEOVERS"]
    assert found["clientIds"] == [stolen.name]
    assert found["sourceIps"] == ["127.0.0.1", "127.0.0.3"]
