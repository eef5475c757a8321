"""The AWS IoT Device SDK for Python v2, with a certificate and over WebSocket."""

from __future__ import annotations

import queue
import threading
from typing import Any

from awscrt import auth, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from interop.clients.base import EXPIRY, Client, Door, Message
from interop.packets import Will
from interop.wire import PATIENCE


def certificate(door: Door) -> dict[str, Any]:
    return {"cert_filepath": door.certificate, "pri_key_filepath": door.key}


def signature(door: Door) -> dict[str, Any]:
    provider = auth.AwsCredentialsProvider.new_static(*door.keys)
    return {"region": door.region, "credentials_provider": provider}


class Three(Client):
    """``mqtt_connection_builder``: MQTT 3.1.1."""

    builder = staticmethod(mqtt_connection_builder.mtls_from_path)
    papers = staticmethod(certificate)

    def open(self, clean: bool, will: Will | None) -> None:
        last = will and mqtt.Will(will.topic, mqtt.QoS(will.qos), will.payload, will.retain)
        self.connection = self.builder(
            **self.papers(self.door),
            endpoint=self.door.host,
            port=self.door.port,
            ca_filepath=self.door.ca,
            client_id=self.client_id,
            clean_session=clean,
            keep_alive_secs=30,
            reconnect_min_timeout_secs=1,
            reconnect_max_timeout_secs=1,
            will=last,
        )
        self.connection.on_message(
            lambda topic, payload, dup, qos, retain, **_: self.inbox.put(
                Message(topic, payload, qos.value, retain)
            )
        )
        self.session_present = self.connection.connect().result(PATIENCE)["session_present"]

    def subscribe(self, filter: str, qos: int) -> int:
        done, _ = self.connection.subscribe(filter, mqtt.QoS(qos))
        return done.result(PATIENCE)["qos"].value

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.connection.publish(topic, payload, mqtt.QoS(qos), retain)[0].result(PATIENCE)

    def disconnect(self) -> None:
        self.connection.disconnect().result(PATIENCE)


class ThreeWebSocket(Three):
    builder = staticmethod(mqtt_connection_builder.websockets_with_default_aws_signing)
    papers = staticmethod(signature)


class Five(Client):
    """``mqtt5_client_builder``."""

    builder = staticmethod(mqtt5_client_builder.mtls_from_path)
    papers = staticmethod(certificate)

    def open(self, clean: bool, will: Will | None) -> None:
        told: queue.Queue[Any] = queue.Queue()
        self.stopped = threading.Event()
        last = will and mqtt5.PublishPacket(
            topic=will.topic, payload=will.payload, qos=mqtt5.QoS(will.qos), retain=will.retain
        )
        behavior = mqtt5.ClientSessionBehaviorType
        self.client = self.builder(
            **self.papers(self.door),
            endpoint=self.door.host,
            port=self.door.port,
            ca_filepath=self.door.ca,
            connect_options=mqtt5.ConnectPacket(
                client_id=self.client_id,
                keep_alive_interval_sec=30,
                session_expiry_interval_sec=0 if clean else EXPIRY,
                will=last,
            ),
            session_behavior=behavior.CLEAN if clean else behavior.REJOIN_ALWAYS,
            on_publish_received=lambda data: self.inbox.put(self._message(data.publish_packet)),
            on_lifecycle_connection_success=lambda data: told.put(data.connack_packet.session_present),
            on_lifecycle_connection_failure=lambda data: told.put(data.exception),
            on_lifecycle_stopped=lambda _: self.stopped.set(),
        )
        self.client.start()
        outcome = told.get(timeout=PATIENCE)
        if isinstance(outcome, BaseException):
            raise outcome
        self.session_present = outcome

    @staticmethod
    def _message(packet: mqtt5.PublishPacket) -> Message:
        return Message(packet.topic, packet.payload or b"", packet.qos.value, packet.retain)

    def subscribe(self, filter: str, qos: int) -> int:
        wanted = mqtt5.SubscribePacket(subscriptions=[mqtt5.Subscription(filter, mqtt5.QoS(qos))])
        return self.client.subscribe(wanted).result(PATIENCE).reason_codes[0].value

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS(qos), retain=retain)
        puback = self.client.publish(packet).result(PATIENCE).puback
        assert not qos or puback.reason_code is mqtt5.PubackReasonCode.SUCCESS

    def disconnect(self) -> None:
        self.client.stop(mqtt5.DisconnectPacket())
        assert self.stopped.wait(PATIENCE)


class FiveWebSocket(Five):
    builder = staticmethod(mqtt5_client_builder.websockets_with_default_aws_signing)
    papers = staticmethod(signature)
