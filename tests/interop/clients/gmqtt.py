"""gmqtt: asyncio with a codec of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import gmqtt
from gmqtt.mqtt.constants import MQTTv50, MQTTv311

from interop.clients.base import EXPIRY, Client, Loop, Message
from interop.packets import Will


class Gmqtt(Client):
    def open(self, clean: bool, will: Will | None) -> None:
        self.loop = Loop()
        self.loop.run(self._open(clean, will))

    async def _open(self, clean: bool, will: Will | None) -> None:
        context = ssl.create_default_context(cafile=self.door.ca)
        context.load_cert_chain(self.door.certificate, self.door.key)
        kept = {} if clean or self.version == 4 else {"session_expiry_interval": EXPIRY}
        last = will and gmqtt.Message(will.topic, will.payload, will.qos, will.retain)
        self.client = gmqtt.Client(self.client_id, clean_session=clean, will_message=last, **kept)
        self.client.set_config({"reconnect_retries": 0})
        self.granted: asyncio.Queue[int] = asyncio.Queue()
        self.client.on_connect = self._connected
        self.client.on_message = self._received
        self.client.on_subscribe = lambda client, mid, codes, properties: self.granted.put_nowait(codes[0])
        version = MQTTv50 if self.version == 5 else MQTTv311
        await self.client.connect(self.door.host, self.door.port, ssl=context, version=version)

    def _connected(self, client: gmqtt.Client, flags: int, code: int, properties: object) -> None:
        self.session_present = bool(flags)

    def _received(
        self, client: gmqtt.Client, topic: str, payload: bytes, qos: int, properties: dict[str, int]
    ) -> None:
        self.inbox.put(Message(topic, payload, qos, bool(properties["retain"])))

    def subscribe(self, filter: str, qos: int) -> int:
        async def subscribe() -> int:
            self.client.subscribe(filter, qos)
            return await self.granted.get()

        return self.loop.run(subscribe())

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        async def publish() -> None:
            self.client.publish(topic, payload, qos, retain)
            # It tells nobody of a PUBACK, but forgets the message then.
            await self.client._persistent_storage.wait_empty()

        self.loop.run(publish())

    def disconnect(self) -> None:
        if self.loop.loop.is_closed():
            return
        try:
            # What the node sends while asyncio is closing TLS is an error to it.
            with contextlib.suppress(ssl.SSLError):
                self.loop.run(self.client.disconnect())
        finally:
            self.loop.close()
