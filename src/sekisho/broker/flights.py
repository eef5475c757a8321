"""QoS 2 towards one client: PUBLISH, PUBREC, PUBREL, PUBCOMP (section 4.3.3), over connections and restarts.

For a persistent session each step is a row before the packet that tells of it: the packet identifier before
PUBLISH, that the client has the message before PUBREL. So a message that the client has is never published to
it again, and one that it may have comes again with the same packet identifier, by which it is known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson

from sekisho.broker.items import Chosen, Handed, Item
from sekisho.broker.mailbox import NEVER, Stored, stored_of
from sekisho.broker.shared import Group
from sekisho.mqtt.connection import State
from sekisho.mqtt.encoding import encode_publish
from sekisho.mqtt.exactly_once import Stage
from sekisho.mqtt.message import Message
from sekisho.mqtt.packets import NO_PROPERTIES, Properties, Pubcomp, Pubrec, Pubrel
from sekisho.mqtt.reasons import Reason
from sekisho.store import exchanges, sessions
from sekisho.store.statement import Statement

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.extended_delivery import ExtendedDelivery
    from sekisho.broker.hub import Hub
    from sekisho.broker.session import Session


@dataclass(eq=False, slots=True)
class Flight:
    """One message on its way, the token of its packet identifier. ``message`` is None when the client has it;
    ``row`` is its number in the session's mailbox, 0 when the session is not persistent."""

    packet_id: int
    message: Message | None
    retain: bool
    identifiers: tuple[int, ...]
    row: int
    size: int = 0
    """Bytes that it counts for in the session's queue."""
    stage: Stage = Stage.STARTING


class Unfinished(NamedTuple):
    """What a session's earlier connections have left: packet identifiers of the client, and flights to it."""

    received: list[int]
    flights: list[Flight]


async def unfinished(hub: Hub, session: Session) -> Unfinished:
    """Read what is unfinished, after all that is under way for the session has become rows."""
    await hub.mailbox.settled()
    await hub.mailbox.flush()  # what the client has refused is not among it
    key = (session.account, session.region, session.key)
    received = [row["packet_id"] for row in await hub.store.fetch(*exchanges.read_received(*key))]
    flights = []
    for row in await hub.store.fetch(*exchanges.read_flights(*key)):
        flight = Flight(row["packet_id"], None, bool(row["flag"]), tuple(orjson.loads(row["identifiers"])), 0)
        if row["topic"] is not None:
            stored = stored_of(session, row)
            flight.message, flight.row, flight.size = stored.message, stored.id, stored.size
        flights.append(flight)
    return Unfinished(received, flights)


class Flights:
    def __init__(self, client: Client, delivery: ExtendedDelivery) -> None:
        self._client = client
        self._delivery = delivery
        self._last_id = 0
        self._resumed: deque[Flight] = deque()
        """Messages of an earlier connection that are to be published again, in their order [MQTT-4.6.0-5]."""
        self.rows: frozenset[int] = frozenset()
        """Their numbers in the mailbox: they must not be sent from there, too."""

    def resume(self, flights: Sequence[Flight]) -> None:
        """The client has its CONNACK: complete what earlier connections have begun [MQTT-4.4.0-1]."""
        connection = self._client.connection
        connection.inflight.update((flight.packet_id, flight) for flight in flights)
        self.rows = frozenset(flight.row for flight in flights if flight.row)
        for flight in flights:
            if flight.message is None:
                self._release(flight)
            else:
                self._resumed.append(flight)
        self._go_on()

    def start(self, chosen: Chosen, properties: Properties, item: Item) -> bool:
        """Send a message; False if it is larger than the client takes, which counts as sent."""
        connection = self._client.connection
        message, _, retain, identifiers = chosen
        if len(self._encode(message, message.topic, retain, False, 1, properties)) > (
            connection.peer_maximum_packet_size
        ):
            return False
        while True:
            self._last_id = self._last_id % 0xFFFF + 1
            if self._last_id not in connection.inflight:
                break
        flight = Flight(self._last_id, message, retain, identifiers, 0)
        connection.inflight[flight.packet_id] = flight
        statements = self._begin(flight, item)
        stored = Stored(flight.row, message, NEVER, flight.size)
        self._when_written(statements, lambda: self._begun(flight, item), lambda: self._failed(stored, item))
        return True

    def _begin(self, flight: Flight, item: Item) -> list[Statement]:
        """What makes the message this client's, and its packet identifier a row."""
        client = self._client
        mailbox, session = client.hub.mailbox, client.durable
        place = (client.account, client.region)
        statements: list[Statement] = []
        if isinstance(item, Handed):
            flight.row, flight.size = item.stored.id, item.stored.size
            if isinstance(item.owner, Group):
                # No other member may have it from now on [MQTT-4.8.2-5].
                item.owner.promise(item.stored)
                statements.append(sessions.delete_entry(*place, item.owner.key, flight.row))
                if session is not None:
                    session.queue.put_back(flight.size)
                    statements.append(sessions.put_entry(*place, session.key, flight.row))
                else:
                    statements.append(sessions.delete_body(flight.row))
                    flight.row = 0
        elif session is not None:
            assert flight.message is not None
            stored, body = mailbox.body(flight.message)
            flight.row, flight.size = stored.id, stored.size
            session.queue.put_back(flight.size)
            statements += (body, sessions.put_entry(*place, session.key, flight.row))
        if session is not None:
            identifiers = orjson.dumps(flight.identifiers).decode()
            key = (*place, session.key, flight.packet_id)
            statements.append(
                exchanges.put_flight(*key, message=flight.row, retain=flight.retain, identifiers=identifiers)
            )
        return statements

    def _begun(self, flight: Flight, item: Item) -> None:
        if isinstance(item, Handed) and isinstance(item.owner, Group):
            item.owner.given(item.stored)
        self._publish(flight, dup=False)

    def _failed(self, stored: Stored, item: Item) -> None:
        """Whose the message is now is not known: who has no entry of it has it counted no more."""
        mailbox, session = self._client.hub.mailbox, self._client.durable
        owner = item.owner if isinstance(item, Handed) else None
        if session is not None and owner is not session:
            mailbox.doubted(session, stored)
        if isinstance(owner, Group):
            assert isinstance(item, Handed)
            mailbox.doubted(owner, item.stored)
            owner.take_back(item.stored)

    def received(self, packet: Pubrec) -> None:
        """PUBREC: the client has the message, or does not want it."""
        connection = self._client.connection
        token = connection.inflight.get(packet.packet_id)
        if isinstance(token, Flight) and token.stage is not Stage.STARTING:
            if token.stage is Stage.RELEASED:
                self._write_release(token)
            elif token.stage is Stage.SENT and packet.reason >= 0x80:
                self._finish(token)
            elif token.stage is Stage.SENT:
                self._release(token)
            return
        if token is not None and not isinstance(token, Flight):
            words = "PUBREC for a message that was not sent with QoS 2"
            self._client.end(Reason.PROTOCOL_ERROR, words, "CLIENT_ERROR")
            return
        reason = Reason.PACKET_IDENTIFIER_NOT_FOUND if connection.version == 5 else 0
        connection.send(Pubrel(packet.packet_id, reason, NO_PROPERTIES))
        self._client.flush()

    def completed(self, packet: Pubcomp) -> None:
        """PUBCOMP: the packet identifier is free again."""
        token = self._client.connection.inflight.get(packet.packet_id)
        if isinstance(token, Flight) and token.stage is Stage.RELEASED:
            self._finish(token)

    def again(self, flight: Flight) -> None:
        """Send the last packet of an exchange once more."""
        if flight.stage is Stage.SENT:
            self._publish(flight, dup=True)
        elif flight.stage is Stage.RELEASED:
            self._write_release(flight)

    def _release(self, flight: Flight) -> None:
        flight.stage = Stage.RECEIVED
        client = self._client
        mailbox, session = client.hub.mailbox, client.durable
        message, row, flight.message, flight.row = flight.message, flight.row, None, 0
        if session is None:
            self._write_release(flight)
            return
        place = (session.account, session.region, session.key)
        statements = [exchanges.release_flight(*place, flight.packet_id)]
        if message is None or not row:
            self._when_written(statements, lambda: self._write_release(flight))
            return
        statements += (sessions.delete_entry(*place, row), sessions.delete_body(row))
        stored = Stored(row, message, NEVER, flight.size)

        def released() -> None:
            session.queue.remove(stored.size)
            self._write_release(flight)

        self._when_written(statements, released, lambda: mailbox.doubted(session, stored))

    def _write_release(self, flight: Flight) -> None:
        flight.stage = Stage.RELEASED
        client = self._client
        if client.connection.state is State.OPEN:
            client.connection.send(Pubrel(flight.packet_id, 0, NO_PROPERTIES))
            client.flush()

    def _finish(self, flight: Flight) -> None:
        client = self._client
        client.connection.settle(flight.packet_id)
        session = client.durable
        if session is not None:
            # Behind it in the queue comes what takes the identifier next. If it fails, PUBREL comes again.
            place = (session.account, session.region, session.key)
            statements = [exchanges.delete_flight(*place, flight.packet_id)]
            if flight.message is not None and flight.row:
                stored = Stored(flight.row, flight.message, NEVER, flight.size)
                statements += (sessions.delete_entry(*place, stored.id), sessions.delete_body(stored.id))
                done = client.hub.mailbox.add(statements)
                done.add_done_callback(lambda done: self._refused(session, stored, done))
            else:
                client.hub.mailbox.add(statements)
        self._go_on()
        self._delivery.pump()
        client.flush()

    def _refused(self, session: Session, stored: Stored, done: asyncio.Future[None]) -> None:
        """The client does not want a message: it goes now, or as soon as it can [MQTT-4.4.0-2]."""
        if not done.cancelled() and done.exception() is None:
            session.queue.remove(stored.size)
            return
        mailbox = self._client.hub.mailbox
        mailbox.doubted(
            session, stored
        )  # counts it as gone if it is, for what follows counts what it deletes
        mailbox.acknowledged(session, stored)

    def _go_on(self) -> None:
        """Publish again what earlier connections left, within the client's Receive Maximum [MQTT-3.3.4-9]."""
        client = self._client
        connection = client.connection
        while self._resumed:
            tokens = connection.inflight.values()
            under_way = sum(not isinstance(t, Flight) or t.stage is not Stage.STARTING for t in tokens)
            if under_way >= connection.peer_receive_maximum:
                return
            flight = self._resumed.popleft()
            assert flight.message is not None
            if client.authorizer.allows("iot:Receive", "topic", flight.message.topic):
                self._publish(flight, dup=True)
            else:  # what it may not have (any more) ends without telling anything of it
                self._release(flight)

    def _publish(self, flight: Flight, *, dup: bool) -> None:
        client = self._client
        connection, message = client.connection, flight.message
        if (
            connection.state is not State.OPEN
            or connection.inflight.get(flight.packet_id) is not flight
            or message is None
        ):
            return
        flight.stage = Stage.SENT
        # What has been sent once does not expire any more [MQTT-4.3.3-7].
        properties = self._delivery.remaining_of(message, flight.identifiers)
        raw = b""
        aliases = self._delivery.aliases
        if aliases is not None and not dup:
            topic, alias = aliases.of(message.topic)
            if alias:
                aliased = {**properties, "topic_alias": alias}
                raw = self._encode(message, topic, flight.retain, dup, flight.packet_id, aliased)
                if len(raw) <= connection.peer_maximum_packet_size:
                    aliases.given(message.topic, alias)
                else:
                    raw = b""
        connection.queue(
            raw or self._encode(message, message.topic, flight.retain, dup, flight.packet_id, properties)
        )
        client.flush()

    def _encode(
        self, message: Message, topic: str, retain: bool, dup: bool, packet_id: int, properties: Properties
    ) -> bytes:
        version = self._client.connection.version
        return encode_publish(version, topic, message.payload, 2, retain, dup, packet_id, properties)

    def _when_written(
        self,
        statements: list[Statement],
        then: Callable[[], None],
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Go on when the statements are rows, at once if there are none; if they cannot be, end."""
        if not statements:
            then()
            return
        client = self._client

        def done(written: asyncio.Future[None]) -> None:
            if written.cancelled() or written.exception() is not None:
                otherwise()
                client.end(Reason.UNSPECIFIED_ERROR, "the exchange could not be stored", "SERVER_ERROR")
            else:
                then()

        client.hub.mailbox.add(statements).add_done_callback(done)
