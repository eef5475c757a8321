"""Devices that come with a certificate of somebody else's CA."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt import client as paho

from api.authorities import Authority, Issued
from interop.wire import PATIENCE, Closed, Wire


class Newcomer:
    """A device with the files that a factory has put on it: key, certificate, perhaps the CA's behind it."""

    def __init__(self, node: Any, folder: Path, issued: Issued, *above: Authority) -> None:
        self.node = node
        self.id = issued.id
        self.certificate, self.key = folder / f"{issued.id}.crt", folder / f"{issued.id}.key"
        self.certificate.write_text(issued.pem + "".join(ca.pem for ca in above))
        self.key.write_bytes(issued.key_pem)

    @property
    def identity(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)

    def wire(self, **more: Any) -> Wire:
        return Wire(self.node.mqtt, self.node.ca, self.identity, **more)

    def is_refused(self, client_id: str, version: int = 4, **more: Any) -> bool:
        """Whether CONNECT is refused as AWS IoT does it: without CONNACK in 3.1.1, with 0x87 in MQTT 5."""
        with self.wire(**more) as wire:
            try:
                code = wire.connect(client_id, version).code
            except Closed:
                assert version == 4
                assert wire.received == 0
                return True
            assert code in (0, 0x87)
            return code != 0

    @contextmanager
    def paho_online(self, client_id: str, **more: Any) -> Iterator[bool]:
        """A connection by paho, and whether it was let in; ``more`` goes to its connect."""
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        client.tls_set(self.node.ca, *self.identity)
        told: queue.Queue[bool] = queue.Queue()
        client.on_connect = lambda c, u, flags, reason, p: told.put(not reason.is_failure)
        client.on_disconnect = lambda c, u, flags, reason, p: told.put(False)
        client.connect(*self.node.mqtt, **more)
        client.loop_start()
        try:
            yield told.get(timeout=PATIENCE)
        finally:
            client.disconnect()
            client.loop_stop()

    def paho(self, client_id: str) -> bool:
        """Whether paho gets in; it connects, and goes again."""
        with self.paho_online(client_id) as let_in:
            return let_in


def device_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
