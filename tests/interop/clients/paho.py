"""Eclipse paho, with a certificate and over WebSocket; aiomqtt, which is paho for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import ssl
from typing import Any

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from interop.clients.base import EXPIRY, Client, Loop, Message
from interop.packets import Will
from interop.wire import PATIENCE

VERSIONS = {4: paho.MQTTv311, 5: paho.MQTTv5}


def session_kept() -> Properties:
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = EXPIRY
    return properties


class Paho(Client):
    transport = "tcp"

    def open(self, clean: bool, will: Will | None) -> None:
        client = self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            self.client_id,
            protocol=VERSIONS[self.version],
            transport=self.transport,
            reconnect_on_failure=False,
            **({} if self.version == 5 else {"clean_session": clean}),
        )
        self.authenticate()
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        told: queue.Queue[Any] = queue.Queue()
        self.granted: queue.Queue[int] = queue.Queue()
        client.on_connect = lambda c, u, flags, reason, p: told.put((reason, flags.session_present))
        client.on_subscribe = lambda c, u, mid, reasons, p: self.granted.put(reasons[0].value)
        client.on_message = lambda c, u, got: self.inbox.put(
            Message(got.topic, got.payload, got.qos, got.retain)
        )
        more = {"clean_start": clean, "properties": None if clean else session_kept()}
        client.connect(self.door.host, self.door.port, **(more if self.version == 5 else {}))
        client.loop_start()
        reason, self.session_present = told.get(timeout=PATIENCE)
        assert not reason.is_failure, reason

    def authenticate(self) -> None:
        self.client.tls_set(self.door.ca, self.door.certificate, self.door.key)

    def subscribe(self, filter: str, qos: int) -> int:
        self.client.subscribe(filter, qos)
        return self.granted.get(timeout=PATIENCE)

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        sent = self.client.publish(topic, payload, qos, retain)
        sent.wait_for_publish(PATIENCE)
        assert sent.is_published()

    def disconnect(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class PahoWebSocket(Paho):
    transport = "websockets"

    def authenticate(self) -> None:
        self.client.tls_set(self.door.ca)
        self.client.ws_set_options(self.door.signed_path)


class Aiomqtt(Client):
    def open(self, clean: bool, will: Will | None) -> None:
        self.loop = Loop()
        self.loop.run(self._open(clean, will))

    async def _open(self, clean: bool, will: Will | None) -> None:
        context = ssl.create_default_context(cafile=self.door.ca)
        context.load_cert_chain(self.door.certificate, self.door.key)
        five = {"clean_start": clean, "properties": None if clean else session_kept()}
        self.client = aiomqtt.Client(
            self.door.host,
            self.door.port,
            identifier=self.client_id,
            protocol=aiomqtt.ProtocolVersion(VERSIONS[self.version]),
            tls_context=context,
            will=will and aiomqtt.Will(*will[:4]),
            **(five if self.version == 5 else {"clean_session": clean}),
        )
        await self.client.__aenter__()
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):  # the line was cut
            async for got in self.client.messages:
                self.inbox.put(Message(got.topic.value, got.payload, got.qos, got.retain))

    def subscribe(self, filter: str, qos: int) -> int:
        code = self.loop.run(self.client.subscribe(filter, qos))[0]
        return code if isinstance(code, int) else code.value

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        self.loop.run(self.client.publish(topic, payload, qos, retain))

    def disconnect(self) -> None:
        if self.loop.loop.is_closed():
            return
        try:
            with contextlib.suppress(aiomqtt.MqttError):
                self.loop.run(self.client.__aexit__(None, None, None))
        finally:
            self.loop.close()
