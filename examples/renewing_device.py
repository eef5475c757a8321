"""A device that renews its certificate when it is asked to, without losing a message.

    python renewing_device.py HOST PORT CA.PEM FOLDER NAME

FOLDER holds one folder per identity, with ``cert.pem`` and ``key.pem``, and the file ``current``, which
names the identity in use. The device asks at each connect whether there is something to renew, and is asked
while it is connected. It makes a new key, sends a signing request, stores what it gets, connects with it,
and only then makes it the current one. Power may fail at any point: what has been stored is tried first at
the next start, and when that is refused, the device goes on with what it had. Needs paho-mqtt and
cryptography.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from paho.mqtt import client as paho

PATIENCE = 15.0
"""Seconds to wait for a connection and for an answer."""


class RenewingDevice:
    """``topics`` is what the device subscribes to; ``on_message(topic, payload)`` gets each message."""

    def __init__(
        self,
        host: str,
        port: int,
        ca: str,
        folder: Path,
        name: str,
        topics: tuple[str, ...] = (),
        on_message: Callable[[str, bytes], None] = lambda topic, payload: None,
    ) -> None:
        self.host, self.port, self.ca, self.folder, self.name = host, port, ca, folder, name
        self.topics = topics
        self.on_message = on_message
        self.renewals = f"$sekisho/renewals/{name}"
        self.tasks: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue()
        self.client: paho.Client | None = None
        self.sending = threading.Lock()
        self.worker = threading.Thread(target=self._work, daemon=True)

    # --- identities on disk: whoever looks sees the old one or the new one ---

    @property
    def current(self) -> str:
        return (self.folder / "current").read_text()

    def make_current(self, identity: str) -> None:
        draft = self.folder / "current.new"
        draft.write_text(identity)
        draft.replace(self.folder / "current")

    def candidates(self) -> list[str]:
        """The identities to try: one that a power failure has kept from being tried goes first."""
        stored = {path.parent.name for path in self.folder.glob("*/cert.pem")} - {self.current}
        return [*sorted(stored), self.current]

    def forget(self, identity: str) -> None:
        for file in ("cert.pem", "key.pem"):
            (self.folder / identity / file).unlink(missing_ok=True)

    # --- the connection ---

    def start(self) -> None:
        for identity in self.candidates():
            if self._connect(identity):
                self.worker.start()
                return
        raise ConnectionError(f"{self.name}: no identity was accepted")

    def stop(self) -> None:
        self.tasks.put(None)
        if self.worker.is_alive():
            self.worker.join(PATIENCE)
        with self.sending:
            self._disconnect()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1; comes back when the platform has the message, over whichever connection."""
        while True:
            with self.sending:  # not while the certificates are changed over
                assert self.client is not None
                info = self.client.publish(topic, payload, 1)
                with contextlib.suppress(RuntimeError):  # not connected just now
                    info.wait_for_publish(PATIENCE)
                    if info.is_published():
                        return
            time.sleep(1)

    def _connect(self, identity: str) -> bool:
        """Whether the platform has accepted the identity; the persistent session goes on with it."""
        ready = threading.Event()
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, self.name, clean_session=False, protocol=paho.MQTTv311
        )
        files = self.folder / identity
        client.tls_set(self.ca, str(files / "cert.pem"), str(files / "key.pem"))
        mine = [f"{self.renewals}/request", f"{self.renewals}/status"]
        mine += [
            f"{self.renewals}/{what}/{how}" for what in ("get", "csr") for how in ("accepted", "rejected")
        ]

        def connected(client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
            if code == 0:
                client.subscribe([(topic, 1) for topic in (*mine, *self.topics)])

        def subscribed(client: Any, *rest: Any) -> None:
            ready.set()
            client.publish(f"{self.renewals}/get", b"{}", 1)

        client.on_connect = connected
        client.on_subscribe = subscribed
        client.on_message = lambda client, data, message: self._take(message.topic, message.payload)
        try:
            client.connect(self.host, self.port, keepalive=30)
        except OSError:
            return False
        client.loop_start()
        if not ready.wait(PATIENCE):
            client.disconnect()
            client.loop_stop()
            return False
        self.client = client
        if identity != self.current:
            self.make_current(identity)
        return True

    def _disconnect(self) -> None:
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None

    def _take(self, topic: str, payload: bytes) -> None:
        if topic.startswith(self.renewals + "/"):
            self.tasks.put((topic.removeprefix(self.renewals + "/"), json.loads(payload)))
        else:
            self.on_message(topic, payload)

    # --- renewal, in a thread of its own so that messages go on ---

    def _work(self) -> None:
        while (task := self.tasks.get()) is not None:
            what, body = task
            if what in ("request", "get/accepted") and body["status"] in ("REQUESTED", "ISSUED"):
                self._ask(body)
            elif what == "csr/accepted":
                self._change_over(body)
            elif what == "status" and body["status"] == "SUCCEEDED":
                for identity in self.candidates()[:-1]:
                    self.forget(identity)

    def _ask(self, renewal: dict[str, Any]) -> None:
        """A new key, or the one of a request whose answer was lost, and a signing request for it."""
        folder = self.folder / renewal["renewalId"]
        if folder.name == self.current or (folder / "cert.pem").exists():
            return  # this is done
        folder.mkdir(exist_ok=True)
        file = folder / "key.pem"
        if not file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.touch(0o600)
            file.write_bytes(text)
        known = load_pem_private_key(file.read_bytes(), None)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(known, hashes.SHA256())
        body = {
            "renewalId": renewal["renewalId"],
            "certificateSigningRequest": request.public_bytes(Encoding.PEM).decode(),
        }
        self.send(f"{self.renewals}/csr", json.dumps(body).encode())

    def _change_over(self, issued: dict[str, Any]) -> None:
        """Store, connect with it, and keep it if that goes well."""
        identity, before = issued["renewalId"], self.current
        if identity == before:
            return
        (self.folder / identity / "cert.pem").write_text(issued["certificatePem"])
        with self.sending:
            self._disconnect()
            if not self._connect(identity):
                self.forget(identity)
                self._connect(before)


def main(host: str, port: str, ca: str, folder: str, name: str) -> None:
    device = RenewingDevice(host, int(port), ca, Path(folder), name)
    device.start()
    sys.stdout.write(f"{name} is connected as {device.current}; Ctrl-C ends it\n")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        device.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
