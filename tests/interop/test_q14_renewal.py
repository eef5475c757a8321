"""Question 14: what of certificates beyond 2049?

The platform's own end at 2049-12-31T23:59:59Z is a default here. A certificate is replaced on the live
device: it makes a new key, gets a certificate beside the old one, connects with it, and only then is the
old one retired. Meanwhile messages flow to it and from it, and none is lost. A device that does not come
back keeps what it had.

The devices are examples/renewing_device.py, made with paho; the back end is paho too.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from paho.mqtt import client as paho

from interop.devices import Device, Factory, allow, document, until
from nodes import Node, running

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "renewing_device.py"
PAST_2049 = datetime(2077, 5, 4, 3, 2, 1, tzinfo=UTC)
FLEET = 50
PAUSE = 0.5


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("renewing_device", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["renewing_device"] = module
    spec.loader.exec_module(module)
    return module


example = load_example()


def may_renew(name: str) -> list[dict[str, Any]]:
    """The policy of a device: what it may say and hear, renewals included."""
    up, down, renewals = f"up/{name}", f"down/{name}", f"$sekisho/renewals/{name}/*"
    return [
        allow("Connect", "client/${iot:Connection.Thing.ThingName}"),
        allow("Publish", f"topic/{up}", f"topic/{renewals}"),
        allow("Receive", f"topic/{down}", f"topic/{renewals}"),
        allow("Subscribe", f"topicfilter/{down}", f"topicfilter/{renewals}"),
    ]


class Worker:
    """A renewing device, the folder that it lives on, and what it has heard and said."""

    def __init__(self, node: Node, device: Device, folder: Path) -> None:
        self.node, self.device, self.folder = node, device, folder / device.name
        (self.folder / "first").mkdir(parents=True)
        shutil.copy(device.certificate, self.folder / "first" / "cert.pem")
        shutil.copy(device.key, self.folder / "first" / "key.pem")
        (self.folder / "current").write_text("first")
        self.heard: set[int] = set()
        self.said = 0
        self.stopping = threading.Event()
        self.talk = threading.Thread(target=self._talk)
        self.power_on()

    def power_on(self) -> None:
        self.running = example.RenewingDevice(
            *self.node.mqtt,
            self.node.ca,
            self.folder,
            self.device.name,
            (f"down/{self.device.name}",),
            lambda topic, payload: self.heard.add(int(payload)),
        )

    def _talk(self) -> None:
        while not self.stopping.is_set():
            self.running.send(f"up/{self.device.name}", b"%d" % (self.said + 1))
            self.said += 1  # acknowledged
            time.sleep(PAUSE)

    @property
    def certificate(self) -> x509.Certificate:
        pem = (self.folder / self.running.current / "cert.pem").read_bytes()
        return x509.load_pem_x509_certificate(pem)


class BackEnd:
    """Tells every device numbers, and hears theirs, with QoS 1."""

    def __init__(self, node: Node, device: Device, names: list[str]) -> None:
        self.names = names
        self.heard: dict[str, set[int]] = {name: set() for name in names}
        self.told = 0
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, "back-end", clean_session=False, protocol=paho.MQTTv311
        )
        self.client.tls_set(node.ca, *device.identity)
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.on_message = self._take
        self.client.connect(*node.mqtt)
        self.client.loop_start()
        self.client.subscribe("up/+", 1)
        assert subscribed.wait(10)
        self.stopping = threading.Event()
        self.talk = threading.Thread(target=self._talk)

    def _take(self, client: Any, data: Any, message: Any) -> None:
        self.heard[message.topic.removeprefix("up/")].add(int(message.payload))

    def _talk(self) -> None:
        while not self.stopping.is_set():
            sent = [self.client.publish(f"down/{name}", b"%d" % (self.told + 1), 1) for name in self.names]
            for info in sent:
                info.wait_for_publish(30)
                assert info.is_published()
            self.told += 1
            time.sleep(PAUSE)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def named_device(make: Factory, iot: Any, prefix: str) -> Device:
    """A device whose policy is for its own name."""
    device = make(prefix, statements=[])
    iot.create_policy(policyName=device.name, policyDocument=document(*may_renew(device.name)))
    iot.attach_policy(policyName=device.name, target=device.arn)
    return device


def status(own: Any, device: Device) -> str:
    return own.describe_certificate_renewal(thingName=device.name)["status"]


def state(iot: Any, id: str) -> str:
    return iot.describe_certificate(certificateId=id)["certificateDescription"]["status"]


def test_q14_fifty_live_devices_renew_and_no_message_is_lost(node, iot, own, device, anything, tmp_path):
    devices = [named_device(device, iot, "fleet") for _ in range(FLEET)]
    fleet = [Worker(node, made, tmp_path) for made in devices]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda worker: worker.running.start(), fleet))
    back_end = BackEnd(node, anything, [made.name for made in devices])
    talks = [back_end.talk, *(worker.talk for worker in fleet)]
    for talk in talks:
        talk.start()
    until(lambda: back_end.told and all(worker.said for worker in fleet), 30)

    # All are asked while they talk; the certificate of one is to be valid past 2049.
    beyond, *others = fleet
    own.start_certificate_renewal(thingName=beyond.device.name, notAfter=PAST_2049)
    for worker in others:
        own.start_certificate_renewal(thingName=worker.device.name)
    pages = own.get_paginator("list_certificate_renewals")

    def done() -> bool:
        found = [r for page in pages.paginate(status="SUCCEEDED") for r in page["renewals"]]
        return {made.name for made in devices} <= {renewal["thingName"] for renewal in found}

    until(done, 120)
    # They go on talking over their new connections.
    told, said = back_end.told, [worker.said for worker in fleet]
    until(lambda: back_end.told > told and all(w.said > n for w, n in zip(fleet, said, strict=True)), 60)
    for stopping in (back_end.stopping, *(worker.stopping for worker in fleet)):
        stopping.set()
    for talk in talks:
        talk.join(60)
        assert not talk.is_alive()

    # Nothing that was acknowledged to its sender is missing on the other side.
    expected = set(range(1, back_end.told + 1))
    until(lambda: all(expected <= worker.heard for worker in fleet), 30)
    until(lambda: all(set(range(1, w.said + 1)) <= back_end.heard[w.device.name] for w in fleet), 30)

    for worker in fleet:
        renewal = own.describe_certificate_renewal(thingName=worker.device.name)
        old, new = renewal["certificateId"], renewal["newCertificateId"]
        assert old == worker.device.certificate_id
        [live] = own.list_connections(clientId=worker.device.name, live=True)["connections"]
        assert live["certificateId"] == new
        assert (state(iot, old), state(iot, new)) == ("INACTIVE", "ACTIVE")
        assert worker.running.current == renewal["renewalId"]
    assert beyond.certificate.not_valid_after_utc == PAST_2049
    assert fleet[1].certificate.not_valid_after_utc == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    for worker in fleet:
        worker.running.stop()
    back_end.stop()
    # In 2060 only the one is left.
    own.set_clock(to=datetime(2060, 1, 1, tzinfo=UTC))
    try:
        beyond.power_on()
        beyond.running.start()
        beyond.running.stop()
    finally:
        own.set_clock(reset=True)


class Forgetful(example.RenewingDevice):
    """A device that loses power when it has its new certificate, before it is stored."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.lost = threading.Event()

    def _change_over(self, issued: dict[str, Any]) -> None:
        self.lost.set()


@pytest.fixture
def forgetful(node, iot, device, tmp_path):
    """A device that has been issued a new certificate and has never come back with it."""
    made = named_device(device, iot, "forgetful")
    worker = Worker(node, made, tmp_path)
    worker.running = Forgetful(*node.mqtt, node.ca, worker.folder, made.name)
    worker.running.start()
    yield worker
    worker.running.stop()


def test_q14_a_device_that_does_not_come_back_is_rolled_back(iot, own, forgetful):
    made = forgetful.device
    own.start_certificate_renewal(thingName=made.name, timeoutSeconds=3600)
    assert forgetful.running.lost.wait(10)
    assert status(own, made) == "ISSUED"
    own.set_clock(advanceSeconds=3601)
    try:
        until(lambda: status(own, made) == "ROLLED_BACK")
        renewal = own.describe_certificate_renewal(thingName=made.name)
    finally:
        own.set_clock(reset=True)
    assert state(iot, renewal["newCertificateId"]) == "INACTIVE"
    assert state(iot, made.certificate_id) == "ACTIVE"
    forgetful.running.send(f"up/{made.name}", b"1")  # its connection has lasted all the while


def test_q14_a_device_that_has_lost_the_answer_asks_again_when_it_is_back(own, forgetful):
    made = forgetful.device
    own.start_certificate_renewal(thingName=made.name)
    assert forgetful.running.lost.wait(10)
    forgetful.running.stop()
    forgetful.power_on()
    forgetful.running.start()  # the same folder: the new key is there, its certificate is not
    until(lambda: status(own, made) == "SUCCEEDED")


def test_q14_a_new_certificate_that_is_refused_leaves_the_device_with_the_old_one(
    node, iot, own, device, tmp_path
):
    made = named_device(device, iot, "refused")
    worker = Worker(node, made, tmp_path)

    class Late(example.RenewingDevice):
        def _change_over(self, issued: dict[str, Any]) -> None:
            iot.update_certificate(certificateId=issued["certificateId"], newStatus="INACTIVE")
            example.PATIENCE, before = 1.0, example.PATIENCE
            try:
                super()._change_over(issued)
            finally:
                example.PATIENCE = before
            tried.set()

    tried = threading.Event()
    worker.running = Late(*node.mqtt, node.ca, worker.folder, made.name)
    worker.running.start()
    own.start_certificate_renewal(thingName=made.name)
    assert tried.wait(30)
    assert worker.running.current == "first"
    worker.running.send(f"up/{made.name}", b"1")
    [live] = own.list_connections(clientId=made.name, live=True)["connections"]
    assert live["certificateId"] == made.certificate_id
    worker.running.stop()


@pytest.mark.parametrize("when", ["REQUESTED", "ISSUED"])
def test_q14_a_renewal_survives_the_death_of_the_node(tmp_path, when):
    """kill -9 when the device has been asked, and when it was given its certificate and has not connected."""
    with running(tmp_path / "node") as node:
        iot, own = node.client("iot"), node.client("sekisho")
        make = Factory(node, iot, tmp_path)
        made = named_device(make, iot, "survivor")
        worker = Worker(node, made, tmp_path / "devices")
        if when == "ISSUED":
            worker.running = Forgetful(*node.mqtt, node.ca, worker.folder, made.name)
            worker.running.start()
        own.start_certificate_renewal(thingName=made.name)
        if when == "ISSUED":
            assert worker.running.lost.wait(10)
            worker.running.stop()
        node.kill()
        node.start()
        iot, own = node.client("iot"), node.client("sekisho")
        assert status(own, made) == when
        worker.power_on()
        worker.running.start()
        # The dead node's lease on periodic work must run out first.
        until(lambda: status(own, made) == "SUCCEEDED", 60)
        node.kill()
        node.start()
        iot = node.client("iot")
        assert state(iot, made.certificate_id) == "INACTIVE"
        worker.running.stop()
