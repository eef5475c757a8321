"""Sessions, subscriptions and acknowledgements, in any order of events that hypothesis can think of."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scale.inprocess import House
from scale.sessiondeath import kill
from scale.sessionmodel import World

CLIENTS = ["one", "two", "three"]
PLAIN_TOPICS = ["p/a", "p/b", "p/a/c"]
SHARED_TOPICS = ["s/a/1", "s/a/2", "s/b"]
TOPICS = PLAIN_TOPICS + SHARED_TOPICS
PLAIN = ["p/a", "p/b", "p/+", "p/#", "p/a/#", "+/a", "p/a/c"]
SHARED = ["$share/g/s/a/+", "$share/h/s/b"]
DENIED = [frozenset(topics) for topics in ([], ["p/a"], ["p/b"], ["s/a/1"], ["p/a", "p/b", "s/b"])]
STEPS = ["commit", "told", "read"]

number = st.integers(0, 1 << 16)
WAYS = st.tuples(
    st.sampled_from([5, 5, 5, 4]),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([0, 100, 1000]),
    st.sampled_from([100, 100, 2]),
    st.booleans(),
)
"""Of a CONNECT: version, clean start, session expiry, receive maximum; whether its client acknowledges."""
FILTERS = st.lists(st.sampled_from(PLAIN + SHARED * 3), min_size=1, max_size=2, unique=True)
DEATH = st.tuples(
    st.lists(st.sampled_from(STEPS), max_size=3), st.integers(0, 6), st.sampled_from([True, True, False])
)
"""What the database still does before the node dies, how many turns its loop takes after that, and whether
those who have a session come back to it."""
OUTCOME = st.integers(0, 7).flatmap(lambda n: st.none() if n else DEATH)
PUBLISHED = st.lists(
    st.tuples(
        number,
        number,
        st.sampled_from([0, 1, 1, 1]),
        st.sampled_from([None, None, None, 50, 500]),
    ),
    min_size=1,
    max_size=4,
)
"""Who, where, QoS, message expiry in seconds."""


def online(machine: Sessions) -> bool:
    return bool(machine.online())


class Sessions(RuleBasedStateMachine):
    """Three devices on one broker."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a folder: this is about order, test_kill.py is about the disk.
        shm = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=shm if os.access(shm, os.W_OK) else None))
        self.world = World(House.copied(self.template, self.folder, CLIENTS), CLIENTS, TOPICS)
        self.failed = False

    def teardown(self) -> None:
        try:
            if not self.failed:
                self.world.finish()
        finally:
            self.world.house.close()
            shutil.rmtree(self.folder)

    def online(self):
        return [link for link in self.world.links if link.online]

    def pick(self, index: int):
        found = self.online()
        return found[index % len(found)]

    def then(self, death) -> None:
        """Come to rest, or die on the way."""
        try:
            if death is None:
                self.world.rest()
            else:
                steps, turns, back = death
                for step in steps:
                    self.world.house.step(step)
                kill(self.world, turns)
                if back:
                    self.world.all_back()
        except BaseException:
            self.failed = True
            raise

    # --- connections ---------------------------------------------------------------------------------------

    @initialize(
        ways=st.tuples(*[WAYS] * len(CLIENTS)),
        filters=st.tuples(*[FILTERS] * len(CLIENTS)),
    )
    def all_connect_and_subscribe(self, ways, filters):
        for client_id, way in zip(CLIENTS, ways, strict=True):
            self.world.connect(client_id, *way)
        self.then(None)
        for link, wanted in zip(list(self.world.links), filters, strict=True):
            self.world.subscribe(link, wanted, 1)
        self.then(None)

    @rule(client_id=st.sampled_from(CLIENTS), way=WAYS, death=OUTCOME)
    def connect(self, client_id, way, death):
        """For the first time, again, or while another connection has the client id."""
        self.world.connect(client_id, *way)
        self.then(death)

    @rule(client_id=st.sampled_from(CLIENTS), acks=st.booleans())
    def come_back(self, client_id, acks):
        self.resume(client_id, acks)

    def resume(self, client_id, acks):
        """Take up the session that is there, if there is one."""
        reader = self.world.readers.get(client_id)
        if reader is not None and reader.durable:
            self.world.connect(client_id, reader.version, False, 1000, 100, acks)
        self.then(None)

    @precondition(online)
    @rule(index=number, politely=st.booleans(), rest=st.booleans())
    def leave(self, index, politely, rest):
        self.world.leave(self.pick(index), politely=politely)
        if rest:
            self.then(None)

    # --- subscriptions -------------------------------------------------------------------------------------

    @precondition(online)
    @rule(index=number, filters=FILTERS, qos=st.sampled_from([1, 1, 1, 0]), death=OUTCOME)
    def subscribe(self, index, filters, qos, death):
        self.world.subscribe(self.pick(index), filters, qos)
        self.then(death)

    @precondition(online)
    @rule(index=number, filters=FILTERS, death=OUTCOME)
    def unsubscribe(self, index, filters, death):
        self.world.unsubscribe(self.pick(index), filters)
        self.then(death)

    # --- messages ------------------------------------------------------------------------------------------

    def _publish(self, published):
        for index, where, qos, lifetime in published:
            if self.online():
                link = self.pick(index)
                if not isinstance(where, str):
                    topics = (where % 8 and self.world.wanted()) or TOPICS
                    where = topics[where // 8 % len(topics)]
                self.world.publish(link, where, qos, retain=False, empty=False, lifetime=lifetime)

    @precondition(online)
    @rule(published=PUBLISHED, steps=st.lists(st.sampled_from(STEPS), max_size=2), rest=st.booleans())
    def publish(self, published, steps, rest):
        """And let the database do a little of what it is asked, or everything."""
        self._publish(published)
        for step in steps:
            self.world.house.step(step)
        if rest:
            self.then(None)

    publish_also = publish
    """Chosen as often as two rules."""

    @precondition(online)
    @rule(published=PUBLISHED, client_id=st.sampled_from(CLIENTS), acks=st.booleans())
    def publish_and_resume(self, published, client_id, acks):
        """While it is on its way to the disk, another connection takes over."""
        self._publish(published)
        self.resume(client_id, acks)

    @precondition(online)
    @rule(published=PUBLISHED, death=DEATH)
    def publish_and_die(self, published, death):
        self._publish(published)
        self.then(death)

    @precondition(online)
    @rule(
        index=number,
        topic=st.sampled_from(PLAIN_TOPICS),
        qos=st.integers(0, 1),
        empty=st.sampled_from([False, False, True]),
        lifetime=st.sampled_from([None, None, 50]),
        death=OUTCOME,
    )
    def retain(self, index, topic, qos, empty, lifetime, death):
        self.world.publish(self.pick(index), topic, qos, retain=True, empty=empty, lifetime=lifetime)
        self.then(death)

    @precondition(online)
    @rule(index=number, count=st.integers(0, 3), go_on=st.booleans(), death=OUTCOME)
    def acknowledge(self, index, count, go_on, death):
        """Some of what waits, or from now on everything."""
        link = self.pick(index)
        for packet_id in list(link.unacknowledged)[: None if go_on else count]:
            link.acknowledge(packet_id)
        link.acks = go_on
        self.then(death)

    # --- everything else -----------------------------------------------------------------------------------

    @precondition(online)
    @rule(
        client_id=st.sampled_from(CLIENTS),
        topics=st.sampled_from(DENIED),
        index=number,
        qos=st.integers(0, 1),
        before=st.booleans(),
        away=st.booleans(),
    )
    def deny(self, client_id, topics, index, qos, before, away):
        """Receive is withdrawn for some topics, and given back for all others; what is published to them,
        perhaps while the policy changes, or while the client is away, too."""
        published = [(index, topic, qos, None) for topic in sorted(topics)]
        for link in self.online():
            if away and link.client_id == client_id:
                self.world.leave(link, politely=False)
        if before:
            self._publish(published)
        try:
            self.world.deny(client_id, topics)
        except BaseException:
            self.failed = True
            raise
        self._publish(published)
        if away:
            self.resume(client_id, True)
        self.then(None)

    @precondition(online)
    @rule(seconds=st.sampled_from([10, 100, 1000]))
    def later(self, seconds):
        try:
            self.world.later(seconds)
        except BaseException:
            self.failed = True
            raise


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    House(folder, CLIENTS).close()
    return folder


def test_sessions_against_the_model(template):
    """The same examples each time; ``SEKISHO_EXAMPLES=5000`` tries so many others."""
    Sessions.template = template
    run_state_machine_as_test(
        Sessions,
        settings=settings(
            max_examples=int(os.environ.get("SEKISHO_EXAMPLES", "130")),
            stateful_step_count=40,
            derandomize="SEKISHO_EXAMPLES" not in os.environ,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_what_is_given_out_while_its_commit_is_under_way_comes_once(template, tmp_path):
    """A shared subscription reads its queue, for a member has gone, when a message is a row there already."""
    house = House.copied(template, tmp_path, CLIENTS)
    try:
        world = World(house, CLIENTS, TOPICS)
        goes = world.connect("one", 4, True, 0, 100, False)
        stays = world.connect("two", 4, False, 0, 100, False)
        world.rest()
        for link in (goes, stays):
            world.subscribe(link, ["$share/h/s/b"], 1)
        world.rest()
        while not goes.unacknowledged:
            world.publish(stays, "s/b", 1, retain=False, empty=False, lifetime=None)
            world.rest()
        world.leave(goes, politely=False)
        world.publish(stays, "s/b", 1, retain=False, empty=False, lifetime=None)
        for step in ("commit", "read", "told"):
            house.step(step)
        world.rest()
        assert len(stays.unacknowledged) == len(world.notes)
    finally:
        house.close()
