"""What is promised about sessions, subscriptions and messages, beside a broker that has to keep it.

The broker takes in a PUBLISH, a PUBACK or the end of a connection at once, whatever the database does:
so when a message is published the model knows who is to have it. Then it *may* come to them, and from
its PUBACK on it is *owed*. What the database decides (CONNECT, SUBSCRIBE, a new policy) is followed by a
rest, or by the node's death.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from interop.packets import (
    connect_packet,
    packet,
    publish_packet,
    subscribe_packet,
    unsubscribe_packet,
)
from scale.inprocess import LONGEST, House
from scale.sessiondevices import Group, Link, Note, Reader, Waiting, is_shared, matching

SESSION_EXPIRY, RECEIVE_MAXIMUM, MESSAGE_EXPIRY = b"\x11", b"\x21", b"\x02"


class World:
    """The broker, its devices, and what is true about them."""

    def __init__(self, house: House, client_ids: list[str], topics: list[str]) -> None:
        self.house = house
        self.client_ids = client_ids
        self.topics = topics
        self.notes: dict[int, Note] = {}
        self.links: list[Link] = []
        self.readers: dict[str, Reader] = {}
        """By client id; of a connection without a session, too."""
        self.groups: dict[str, Group] = {}
        self.fresh: list[tuple[Note, list[Link]]] = []
        """Since the last rest: what a group that keeps nothing was given, and who may have it."""
        self.denied: dict[str, frozenset[str]] = dict.fromkeys(client_ids, frozenset())
        """Topics that a device surely may not receive from."""
        self.retained: dict[str, set[int | None]] = {topic: {None} for topic in topics}
        """What may be kept for a topic: one, unless the node died on the way."""
        self.retaining: dict[str, list[tuple[int | None, Note]]] = {}
        """What was to be kept since the last rest, in order."""
        self.broken: list[str] = []

    # --- what devices do -----------------------------------------------------------------------------------

    def connect(
        self, client_id: str, version: int, clean: bool, expiry: int, window: int, acks: bool = True
    ) -> Link:
        if version == 4:
            expiry, window = 0 if clean else LONGEST, 100
        link = Link(self, client_id, version, expiry, window)
        link.acks = acks
        for one in self.links:
            one.leaving |= one.client_id == client_id
        reader = self.readers.get(client_id)
        if reader is not None and not clean and reader.version == version and reader.expiry:
            link.resumes = reader
        self.links.append(link)
        properties = b""
        if version == 5:
            properties = SESSION_EXPIRY + expiry.to_bytes(4) + RECEIVE_MAXIMUM + window.to_bytes(2)
        link.pipe = self.house.connect(client_id, link.arrived, link.gone)
        link.pipe.send(connect_packet(client_id, version, clean=clean, properties=properties))
        return link

    def accepted(self, link: Link, present: bool) -> None:
        assert present == (link.resumes is not None), f"{link.client_id}: session present {present}"
        reader = link.resumes
        if reader is None:
            reader = Reader(client_id=link.client_id, durable=link.expiry > 0, version=link.version)
            self.readers[link.client_id] = reader
        reader.link, link.reader = link, reader
        reader.expiry, reader.ends = link.expiry, 0.0
        link.accepted = len(self.notes)

    def went(self, link: Link) -> None:
        """The broker has let go of a connection."""
        link.leaving = True
        reader = link.reader
        if reader is not None and reader.link is link:
            reader.link = None
            if reader.durable and reader.expiry:
                reader.ends = self.house.clock.now() + reader.expiry
            else:
                self.end(reader)

    def end(self, reader: Reader) -> None:
        if self.readers.get(reader.client_id) is reader:
            del self.readers[reader.client_id]
        reader.done(set(reader.may))
        self.prune()

    def prune(self) -> None:
        """With its last member a group forgets what waits."""
        for filter, group in self.groups.items():
            if not self.members(filter):
                group.done(set(group.may))

    def members(self, filter: str) -> list[Reader]:
        return [r for r in self.readers.values() if filter in r.subs or filter in (r.asked or ())]

    def leave(self, link: Link, *, politely: bool) -> None:
        link.leaving = True
        if politely:
            link.pipe.send(packet(0xE0, b"\x00" if link.version == 5 else b""))
        else:
            link.pipe.hang_up()

    def subscribe(self, link: Link, filters: list[str], qos: int) -> None:
        reader = link.reader
        assert reader is not None
        if any(is_shared(filter) for filter in filters):
            qos = 1  # a member with QoS 0 loses what it is given
        reader.asked = reader.subs | dict.fromkeys(filters, qos)
        for filter in filters:
            if filter in self.retained and filter not in self.denied[link.client_id]:
                link.due.append((filter, {n for n in self.retained[filter] if self.lives(n)} or {None}))
        packet_id = link.next_id()
        link.asked[packet_id] = len(filters)
        link.pipe.send(subscribe_packet(filters, link.version, packet_id=packet_id, qos=qos))

    def unsubscribe(self, link: Link, filters: list[str]) -> None:
        reader = link.reader
        assert reader is not None
        reader.asked = {f: q for f, q in reader.subs.items() if f not in filters}
        self.doubt(reader, lambda topic: any(matching(f, topic) for f in filters))
        packet_id = link.next_id()
        link.asked[packet_id] = len(filters)
        link.pipe.send(unsubscribe_packet(filters, link.version, packet_id=packet_id))

    def doubt(self, reader: Reader, about: Callable[[str], bool]) -> None:
        """What waits for a reader on some topics need not come any more."""
        reader.spare({n for n in reader.may if about(self.notes[n].topic)})
        if reader.link is not None:
            reader.link.expected = {n for n in reader.link.expected if not about(self.notes[n].topic)}
            reader.link.due = [(t, c | {None} if about(t) else c) for t, c in reader.link.due]
        self.fresh.clear()

    def wanted(self) -> list[str]:
        """Topics that somebody has subscribed to."""
        return [t for t in self.topics if any(r.wants(t) for r in self.readers.values())]

    def publish(
        self, link: Link, topic: str, qos: int, *, retain: bool, empty: bool, lifetime: int | None
    ) -> None:
        number = len(self.notes) + 1
        now = self.house.clock.now()
        expires = now + lifetime if lifetime and link.version == 5 else math.inf
        note = self.notes[number] = Note(number, topic, qos, link.client_id, expires, [])
        if not empty:
            self.route(note)
        if retain:
            kept = None if empty else number
            self.retaining.setdefault(topic, []).append((kept, note))
        packet_id = link.next_id() if qos else 0
        if qos:
            link.sending[packet_id] = note
        properties = b"" if expires == math.inf else MESSAGE_EXPIRY + (lifetime or 0).to_bytes(4)
        payload = b"" if empty else b"%d" % number
        link.pipe.send(
            publish_packet(
                topic,
                payload,
                link.version,
                qos=qos,
                packet_id=packet_id,
                retain=retain,
                properties=properties,
            )
        )

    def route(self, note: Note) -> None:
        """Whose is it, as things are?"""
        number, topic = note.number, note.topic
        for reader in self.readers.values():
            granted = reader.qos(topic)
            link = reader.link
            if granted is None or (link is not None and topic in self.denied[reader.client_id]):
                continue
            if not (note.qos and granted):
                if link is not None and link.online:
                    reader.may.add(number)
                    link.expected.add(number)
                continue
            reader.may.add(number)
            note.routes.append(reader)
            if topic in self.denied[reader.client_id]:
                reader.spare({number})  # nobody knows what it may receive when it is back
        for filter in {
            f for r in self.readers.values() for f in r.subs if is_shared(f) and matching(f, topic)
        }:
            group = self.groups.setdefault(filter, Group())
            members = self.members(filter)
            group.may.add(number)
            if note.qos and any(member.durable for member in members):
                note.routes.append(group)
            else:
                links = [
                    m.link for m in members if m.link is not None and topic not in self.denied[m.client_id]
                ]
                self.fresh.append((note, links))

    def deny(self, client_id: str, topics: frozenset[str]) -> None:
        """Take the right to receive from topics, and give it back for all others; until the next rest it is
        not known which holds."""
        before = self.denied[client_id]
        self.denied[client_id] = before & topics
        if client_id in self.readers:
            self.doubt(self.readers[client_id], lambda topic: topic in before | topics)
        self.house.deny(client_id, {"Receive": sorted(topics)})
        self.rest()
        self.denied[client_id] = topics

    # --- what comes ----------------------------------------------------------------------------------------

    def holder(self, link: Link, topic: str) -> Waiting:
        """Whose messages those of a topic are: the reader's, or a group's. No topic is both."""
        for filter, group in self.groups.items():
            if matching(filter, topic):
                return group
        assert link.reader is not None
        return link.reader

    def lives(self, number: int | None) -> bool:
        return number is None or self.notes[number].expires > self.house.clock.now()

    def arrived(self, link: Link, topic: str, number: int, qos: int, *, dup: bool, retain: bool) -> None:
        """A message has come to a device: may it?"""
        reader = link.reader
        assert reader is not None
        who = f"{number} on {topic} came to {link.client_id}"
        assert topic not in self.denied[link.client_id], f"{who}, which may not receive it"
        assert reader.wants(topic), f"{who}, which has not subscribed"
        if not number:
            return
        note = self.notes[number]
        assert note.topic == topic, f"{who}, was published to {note.topic}"
        assert self.lives(number), f"{who} after its time"
        if retain:
            found = next((due for due in link.due if due[0] == topic and number in due[1]), None)
            assert found is not None, f"{who} as a retained one, expected {link.due}"
            link.due.remove(found)
            return
        waiting = self.holder(link, topic)
        assert number in waiting.may, f"{who}, for whom it is not, or not any more"
        if isinstance(waiting, Group):
            before = waiting.given.get(number)
            assert before is None or not before.open or before.leaving, f"{who}, and to {before.client_id}"
            waiting.given[number] = link
        else:
            assert dup or number not in link.had, f"{who} twice"
            if number not in link.had:
                # What waited before the connection is brought beside what is published from then on.
                key = (note.publisher, topic, qos, number <= link.accepted)
                assert link.latest.get(key, 0) < number, f"{who} after {link.latest[key]}"
                link.latest[key] = number
        link.had.add(number)
        if not qos:
            waiting.may.discard(number)

    # --- rest ----------------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Everything that is under way comes to its end; then what must be so is so."""
        self.house.settle()
        self.check_broken()
        for link in self.links:
            if not link.open:
                continue
            assert link.reader is not None, f"{link.client_id} has no CONNACK"
            assert link.pipe.all_read and not link.asked, f"{link.client_id} waits for {link.asked}"
            assert not link.sending, f"{link.client_id} has no PUBACK for {link.sending}"
            for number in link.acknowledged:
                self.holder(link, self.notes[number].topic).done({number})
            link.acknowledged.clear()
            assert link.expected <= link.had, f"{link.client_id} lacks {link.expected - link.had}"
            link.expected.clear()
            if link.has_room:
                missing = [due for due in link.due if None not in due[1]]
                assert not missing, f"{link.client_id} lacks the retained messages {missing}"
                link.due.clear()
        self.links = [link for link in self.links if link.open]
        for reader in self.readers.values():
            reader.asked = None
            link = reader.link
            if link is not None and link.has_room:
                missing = reader.owed - link.had
                assert not missing, f"{reader.client_id} lacks {sorted(missing)}"
        self.prune()
        self._check_groups()
        for topic, candidates in self.retaining.items():
            self.retained[topic] = {candidates[-1][0]}
        self.retaining.clear()
        self._check_books()

    def check_broken(self) -> None:
        assert not self.broken, "\n".join(self.broken)
        assert not self.house.errors, "\n".join(self.house.errors)

    def _check_groups(self) -> None:
        for filter, group in self.groups.items():
            links = [m.link for m in self.members(filter) if m.link is not None]
            if not all(link.has_room for link in links):
                continue  # who waits for room may hold up what others could have
            for number in group.owed:
                topic = self.notes[number].topic
                given = group.given.get(number)
                ready = [link.client_id for link in links if topic not in self.denied[link.client_id]]
                held = given is not None and given.open
                assert held or not ready, f"{filter} lacks {number} on {topic}, {ready} are there"
        for note, links in self.fresh:
            if links and all(link.open and link.has_room for link in links):
                assert any(note.number in link.had for link in links), f"nobody has {note}"
        self.fresh.clear()

    def _check_books(self) -> None:
        """The broker's own books agree with each other and with the model."""
        hub = self.house.hub
        online = {link.client_id: link.pipe.protocol for link in self.links}
        assert hub.space(*hub.place).clients == online
        sessions = {session.key: session for session in hub.sessions.all()}
        durable = {id: reader for id, reader in self.readers.items() if reader.durable}
        assert sessions.keys() == durable.keys(), f"sessions {[*sessions]}, expected {[*durable]}"
        rows = {row["client_id"] for row in self.house.rows("SELECT client_id FROM session")}
        assert rows == durable.keys(), f"rows of sessions {rows}, expected {[*durable]}"
        plain = 0
        groups: dict[str, int] = {}
        for client_id, reader in self.readers.items():
            holder = sessions.get(client_id) or online[client_id]
            actual = {f: s.qos for f, s in holder.subscriptions.items()}
            assert actual == reader.subs, f"{client_id} has {actual}, expected {reader.subs}"
            for filter in reader.subs:
                if is_shared(filter):
                    groups[filter] = groups.get(filter, 0) + 1
                else:
                    plain += 1
        assert len(hub.space(*hub.place).subscribers) == plain + len(groups), "the topic tree has others"
        assert {group.key: len(group.members) for group in hub.groups.all()} == groups
        counts = {row["session"]: row["n"] for row in self.house.rows(WAITING)}
        assert counts.keys() <= sessions.keys() | groups.keys(), f"messages wait for nobody: {counts}"
        for owner in [*sessions.values(), *hub.groups.all()]:
            assert owner.queue.messages == counts.get(owner.key, 0), f"{owner.key} miscounts what waits"

    # --- time, and the end ----------------------------------------------------------------------------------

    def later(self, seconds: float) -> None:
        """Civil time passes, at rest: sessions and messages whose time is over are gone."""
        self.rest()
        self.house.later(seconds)
        now = self.house.clock.now()
        for reader in list(self.readers.values()):
            if 0 < reader.ends <= now:
                self.end(reader)
        for waiting in [*self.readers.values(), *self.groups.values()]:
            waiting.done({n for n in waiting.may if not self.lives(n)})
        for link in self.links:
            link.due = [
                (topic, {n for n in candidates if self.lives(n)} or {None}) for topic, candidates in link.due
            ]
        self.rest()

    def all_back(self) -> None:
        """Whoever has a session comes back to it."""
        for client_id, reader in list(self.readers.items()):
            if reader.link is None:
                self.connect(client_id, reader.version, False, LONGEST, 100)
        self.rest()

    def finish(self) -> None:
        """Everybody comes back and takes what waits: then nothing waits any more."""
        self.rest()
        for client_id in self.client_ids:
            self.deny(client_id, frozenset())
        for link in self.links:
            link.acks = True
            for packet_id in list(link.unacknowledged):
                link.acknowledge(packet_id)
        self.rest()
        self.all_back()
        for waiting in [*self.readers.values(), *self.groups.values()]:
            assert not waiting.owed, f"{sorted(waiting.owed)} never came"
        self.house.finish(self.house.hub.mailbox.sweep())
        left = [dict(row) for row in self.house.rows(WAITING)]
        assert not left, f"{left} wait though everybody is here"
        assert not self.house.rows("SELECT id FROM message"), "bodies without an entry are left"


WAITING = "SELECT session, COUNT(*) AS n FROM mailbox GROUP BY session"
