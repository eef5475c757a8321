"""A connection of the AWS IoT Device SDK, as things to wait for."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, NamedTuple

from awscrt import mqtt
from awsiot import mqtt_connection_builder

from sekisho.cli.demo.waiting import DidNotHappen, Patience

CLOSE = 5.0


class Place(NamedTuple):
    """Where the node listens for devices, and whose certificate to trust there."""

    host: str
    port: int
    ca: str


class Link:
    """One client over mutual TLS, MQTT 3.1.1, QoS 1; ``cut`` is done when the other side closes it."""

    def __init__(
        self, place: Place, client_id: str, certificate_pem: str, key_pem: bytes, patience: Patience
    ) -> None:
        self.client_id = client_id
        self.cut: Future[None] = Future()
        self._patience = patience
        self.mqtt: Any = mqtt_connection_builder.mtls_from_bytes(
            certificate_pem.encode(),
            key_pem,
            endpoint=place.host,
            port=place.port,
            ca_filepath=place.ca,
            client_id=client_id,
            clean_session=True,
            keep_alive_secs=30,
            on_connection_interrupted=self._interrupted,
        )

    def connect(self) -> None:
        """:raises DidNotHappen: refused, or no answer"""
        try:
            self._patience.wait(self.mqtt.connect(), f"{self.client_id} connecting")
        except DidNotHappen:
            self.close()
            raise

    def subscribe(self, topic: str, received: Callable[[str, dict[str, Any]], None]) -> None:
        """``received`` gets topic and decoded JSON, in a thread of the SDK's."""

        def callback(topic: str, payload: bytes, dup: bool, qos: Any, retain: bool, **more: Any) -> None:
            received(topic, json.loads(payload))

        acknowledged, _ = self.mqtt.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, callback)
        self._patience.wait(acknowledged, f"{self.client_id} subscribing to {topic}")

    def publish(self, topic: str, body: dict[str, Any]) -> None:
        """Returns when the node has acknowledged it."""
        self._patience.wait(self.send(topic, body), f"{self.client_id} publishing to {topic}")

    def send(self, topic: str, body: dict[str, Any]) -> Future[Any]:
        """Publish without waiting for the acknowledgement."""
        acknowledged: Future[Any]
        acknowledged, _ = self.mqtt.publish(topic, json.dumps(body), mqtt.QoS.AT_LEAST_ONCE)
        return acknowledged

    def wait_cut(self, what: str) -> None:
        """Until the node closes the connection."""
        self._patience.wait(self.cut, what)

    def close(self) -> None:
        """Disconnect; after a cut, this ends the SDK's own attempts to come back."""
        # Then the SDK says "disconnected" only when its next attempt would be due: nothing to wait for.
        either: tuple[Future[Any], Future[None]] = (self.mqtt.disconnect(), self.cut)
        wait(either, timeout=CLOSE, return_when=FIRST_COMPLETED)

    def _interrupted(self, connection: Any, error: Any, **more: Any) -> None:
        if not self.cut.done():
            self.cut.set_result(None)
