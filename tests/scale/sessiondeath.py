"""The death of the node in the model of sessions: what it has carried out, as far as nobody was told."""

from __future__ import annotations

from collections.abc import Iterable

from scale.sessiondevices import Link, Reader
from scale.sessionmodel import World


def kill(world: World, turns: int) -> None:
    """The node dies when its loop has gone on so far, and starts on what was committed."""
    world.house.turn(turns)
    world.check_broken()
    connecting = [link for link in world.links if link.open and link.reader is None]
    for link in world.links:
        if link.open:
            link.leaving = True
            link.pipe.cut()
    world.links.clear()
    world.fresh.clear()
    for topic, kept in world.retaining.items():
        certain = max((i for i, (_, note) in enumerate(kept) if note.taken), default=-1)
        before = world.retained[topic] if certain < 0 else set()
        world.retained[topic] = before | {number for number, _ in kept[max(certain, 0) :]}
    world.retaining.clear()
    for group in world.groups.values():
        group.given.clear()
    world.house.kill()
    world.house.finish(world.house.hub.sessions.end_overdue())
    for link in connecting:
        _adopt_connect(world, link)
    for reader in list(world.readers.values()):
        _adopt_subscriptions(world, reader)
    world.rest()


def _adopt_connect(world: World, link: Link) -> None:
    """A CONNECT has had no answer: it was carried out, or not, or as far as the old session's end."""
    reader = world.readers.get(link.client_id)
    session = world.house.hub.sessions.get(*world.house.hub.place, link.client_id)
    if link.resumes is not None and link.resumes is reader:
        if session is None:
            assert not link.expiry, f"the session of {link.client_id} is gone"
            world.end(reader)
        else:
            reader.expiry, reader.ends = session.expiry, session.ends
        return
    actual = {f: s.qos for f, s in session.subscriptions.items()} if session is not None else None
    same = reader is not None and session is not None and session.protocol == reader.version
    if same and actual in (reader.subs, reader.asked):
        reader.spare(set(reader.may))  # the old one, or a new one that looks like it
        _spare_groups(world, reader.subs)  # emptied before the session is deleted
        reader.expiry, reader.ends = session.expiry, session.ends
        return
    if reader is not None:
        world.end(reader)
    if session is not None:
        assert session.protocol == link.version and not session.subscriptions
        world.readers[link.client_id] = Reader(
            client_id=link.client_id,
            durable=True,
            version=link.version,
            expiry=session.expiry,
            ends=session.ends,
        )


def _adopt_subscriptions(world: World, reader: Reader) -> None:
    """A SUBSCRIBE or UNSUBSCRIBE has had no answer: it was carried out, or not."""
    session = world.house.hub.sessions.get(*world.house.hub.place, reader.client_id)
    assert session is not None, f"the session of {reader.client_id} is gone"
    actual = {f: s.qos for f, s in session.subscriptions.items()}
    assert actual in (reader.subs, reader.asked), f"{reader.client_id} has {actual}: {reader}"
    if reader.asked is not None:
        _spare_groups(world, reader.subs.keys() ^ reader.asked.keys())
    reader.subs, reader.asked = actual, None


def _spare_groups(world: World, filters: Iterable[str]) -> None:
    for filter in filters:
        if filter in world.groups:
            world.groups[filter].spare(set(world.groups[filter].may))
