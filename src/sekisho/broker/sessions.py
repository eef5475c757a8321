"""All persistent sessions of the node: opened at CONNECT, kept while their clients are away, then ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import structlog

from sekisho.broker.flights import unfinished
from sekisho.broker.session import Session
from sekisho.mqtt.packets import Connect
from sekisho.store import sessions as rows
from sekisho.store.statement import StoreError
from sekisho.store.store import Store

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub

log = structlog.get_logger("sekisho.sessions")

PAGE = 500
EVERY = 1.0


class Sessions:
    def __init__(self, hub: Hub, store: Store, longest: float) -> None:
        self._hub = hub
        self._store = store
        self.longest = longest
        """Seconds that a session may outlive its connection at most."""
        self._all: dict[tuple[str, str, str], Session] = {}

    async def start(self, places: list[tuple[str, str]]) -> None:
        """Take up the sessions of the database; those that were connected when the node went end as if their
        clients had gone now."""
        now = self._hub.clock.now()
        for account, region in places:
            after = ""
            while True:
                page = await self._store.fetch(*rows.page_sessions(account, region, after, PAGE))
                for row in page:
                    session = Session.of_row(self._hub, row)
                    session.ends = session.ends or now + session.expiry
                    self._add(session)
                    for filter, subscription in session.subscriptions.items():
                        self._hub.subscribe(session, filter, subscription.qos)
                if len(page) < PAGE:
                    break
                after = page[-1]["client_id"]

    def get(self, account: str, region: str, client_id: str) -> Session | None:
        return self._all.get((account, region, client_id))

    def all(self) -> Iterable[Session]:
        return self._all.values()

    def has_room_for(self, account: str, region: str, client_id: str, packet: Connect) -> bool:
        """Whether the session that a CONNECT wants may be: it ends with its connection, is there already, or
        is one of not too many."""
        there = (account, region, client_id) in self._all
        return there or not self.expiry(packet) or len(self._all) < self._hub.limits.sessions

    def _add(self, session: Session) -> None:
        self._all[session.account, session.region, session.key] = session
        self._hub.mailbox.open(session)

    def _has(self, session: Session) -> bool:
        return self._all.get((session.account, session.region, session.key)) is session

    async def open(self, client: Client, packet: Connect) -> tuple[bool, Session | None]:
        """The session for a CONNECT, and whether it was there before; None for one that ends with the
        connection. What it answers is a row on the disk."""
        key = (client.account, client.region, client.client_id)
        existing = self._all.get(key)
        expiry = self.expiry(packet)
        # A session of 3.1.1 cannot be resumed with 5, nor the other way (AWS IoT Developer Guide, MQTT). One
        # without an expiry has ended with the connection that this CONNECT takes over (section 3.1.2.11.2).
        if existing is not None and (
            packet.clean_start
            or existing.protocol != packet.version
            or not existing.expiry
            or 0 < existing.ends <= self._hub.clock.now()
        ):
            await self.discard(existing)
            if client.transport.is_closing():  # taken over, by a connection whose session this is not
                return False, None
            existing = None
        if existing is None and not expiry:
            return False, None
        session = existing or Session(self._hub, *key, packet.version, expiry)
        session.expiry = expiry
        session.attach(client)
        if existing is None:
            self._add(session)
        statements = [session.row(), *self._hub.wills.connected(session, client, packet.will)]
        try:
            # A task: behind the deletion of a session that has just ended with the connection taken over.
            await asyncio.ensure_future(self._store.commit(statements))
            if existing is not None and self._hub.profile.maximum_qos == 2:
                session.unfinished = await unfinished(self._hub, session)
        except StoreError:
            self.left(session, client)
            raise
        return existing is not None, session

    def expiry(self, packet: Connect) -> float:
        """Seconds that the session outlives its connection, within what the account allows."""
        if packet.version == 5:
            return self.clamp(packet.properties.get("session_expiry_interval", 0))
        return 0.0 if packet.clean_start else self.longest

    def clamp(self, wanted: float) -> float:
        return min(float(wanted), self.longest)

    def left(self, session: Session, client: Client) -> None:
        """The connection of a session has ended: its time begins to run, or it ends now."""
        if session.client is not client:
            return
        session.detach()
        if not session.expiry:
            self._hub.watch(self._drop(session))
            return
        session.ends = self._hub.clock.now() + session.expiry
        self._hub.spawn(self._write_end(session))

    async def _write_end(self, session: Session) -> None:
        if session.client is None and self._has(session):  # nobody has come back in between
            place = (session.account, session.region, session.key)
            end = rows.end_session(*place, ends=session.ends, expiry=session.expiry)
            await self._store.commit([end, *self._hub.wills.left(session)])

    async def save(self, session: Session) -> None:
        if self._has(session):
            await self._store.commit([session.row()])

    async def discard(self, session: Session) -> None:
        """End a session with all that waits for it."""
        await self._drop(session)

    def _drop(self, session: Session) -> asyncio.Task[Any]:
        """End a session now; the answer is done when its rows are gone, too."""
        session.detach()
        key = (session.account, session.region, session.key)
        if self._has(session):
            del self._all[key]
        self._hub.mailbox.close_queue(session)
        for filter in session.subscriptions:
            self._hub.unsubscribe(session, filter)
        # A task, as the mailbox's commits are, and so behind those that have begun: what was put for this
        # session must not become a row after it.
        ended = rows.delete_session(*key) + self._hub.wills.ended(session)
        return asyncio.ensure_future(self._store.commit(ended))

    async def run(self) -> None:
        """End sessions whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.end_overdue()

    async def end_overdue(self) -> None:
        """End the sessions whose time is over."""
        now = self._hub.clock.now()
        over = [session for session in self._all.values() if 0 < session.ends <= now]
        for session in over:
            if not 0 < session.ends <= now or not self._has(session):
                continue  # its client came back, or ended it, while another was ended
            try:
                await self.discard(session)
            except StoreError as error:
                log.warning("session not ended", client=session.key, error=str(error))
