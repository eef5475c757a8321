"""The revocation lists of the node's own CAs: what is on it, and when it is made anew."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any, NamedTuple

import orjson
from cryptography import x509

from sekisho.logic.certificates import certificate_id
from sekisho.logic.issuers import has_signed
from sekisho.logic.revocation import RECORD, make_revocation_list, serial_text, sign_revocation_list
from sekisho.services.call import Call, Deps
from sekisho.services.revoked_entries import NOWHERE, REVOKED, Entries
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict, Statement

LIST = "crl"
"""The kind of what is said of the list; its id is that of the CA's certificate."""

PART = "crlpart"
"""The kind of the pieces of a list, ``<CA>/<number>/<piece>``."""

PART_BYTES = 49_152
PARTS = 8
"""Pieces that are read at a time."""

LIFE = 7 * 86400.0
"""Seconds from a list to the next update that it announces; at half of it there is a new one."""

MANY = 10_000
EACH = 0.0002
"""Seconds for each entry of a list with more than so many, in which it is not made anew: 20 for 100,000."""


async def record_revocation(call: Call, certificate: Document) -> None:
    """A certificate has become REVOKED: if the node's CA has issued it, it goes on the list, for good.

    One that was registered without its CA is what this account makes of it, and no more.
    """
    if certificate.get("caCertificateId") or certificate["certificateMode"] == "SNI_ONLY":
        return
    issued = x509.load_pem_x509_certificate(certificate["certificatePem"].encode())
    authorities = [a.certificate for a in call.deps.keyring.authorities if has_signed(a.certificate, issued)]
    if not authorities:
        return
    work = call.work.elsewhere(*NOWHERE)
    serial = serial_text(issued.serial_number)
    if await work.get(REVOKED, serial) is None:
        body = {
            "certificateId": certificate["certificateId"],
            "issuer": certificate_id(authorities[0]),
            "revokedAt": call.now,
        }
        await work.put(REVOKED, serial, body)


class Made(NamedTuple):
    """A list in DER, its number, and the civil times between which it is handed out."""

    der: bytes
    number: int
    since: float
    until: float


class RevocationLists:
    """Hands out each CA's list, and signs a new one when its entries have changed or half its life is over.

    Lists are rows, so that all nodes hand out the same ones and their numbers only grow (RFC 5280, 5.2.3).
    One is made at a time, in a worker process. When much has been revoked it takes long, and the last list is
    handed out for a while (`MANY`) although there are new entries.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._entries = Entries(deps.store)
        self._made: dict[str, Made] = {}
        self._stale: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._making = asyncio.Lock()
        self._authorities = {certificate_id(a.certificate): a for a in deps.keyring.authorities}
        self.newest = certificate_id(deps.keyring.ca)
        """The id of the certificate of the CA that issues."""

    def heard(self, serial: str) -> None:
        """Something was revoked."""
        self._entries.heard(serial)
        self._stale.update(self._authorities)

    async def current(self, ca_id: str) -> bytes | None:
        """The list of a CA in DER; None if it is none of this node's."""
        if ca_id not in self._authorities:
            return None
        made = self._kept(ca_id)
        if made is not None:
            return made.der
        async with self._making:
            made = self._kept(ca_id)
            while made is None:
                try:
                    made = await self._renew(ca_id)
                except Conflict:
                    continue  # another node has made one
            return made.der

    def _kept(self, ca_id: str) -> Made | None:
        made, now = self._made.get(ca_id), self._deps.clock.now()
        if made is None or not made.since <= now < made.until:
            return None
        early = self._deps.clock.tick() < self._not_before.get(ca_id, 0.0)
        return made if early or ca_id not in self._stale else None

    async def _renew(self, ca_id: str) -> Made:
        self._stale.discard(ca_id)  # who hears of a change from here on says so again
        records = await self._entries.of(ca_id)
        made = await self._load(ca_id, records, self._deps.clock.now())
        self._made[ca_id] = made
        entries = len(records) // RECORD.size
        self._not_before[ca_id] = self._deps.clock.tick() + (entries * EACH if entries > MANY else 0.0)
        return made

    async def _load(self, ca_id: str, records: bytes, now: float) -> Made:
        """What another node or an earlier life has made, if it is still good; else a new one."""
        deps = self._deps
        place = (*NOWHERE, LIST, ca_id)
        digest = (await asyncio.to_thread(hashlib.sha256, records)).hexdigest()
        row = await tables.fetch_one(deps.store, tables.get_resource(*place))
        last: dict[str, Any] = orjson.loads(row["body"]) if row is not None else {"number": 0}
        if row is not None and last["digest"] == digest:
            since = last["thisUpdate"]
            if since <= now < since + LIFE / 2:
                der = await self._read(ca_id, last["number"])
                if der is not None:
                    return Made(der, last["number"], since, since + LIFE / 2)
        number = last["number"] + 1
        der = await self._sign(ca_id, number, records, now)
        body = dumps({"number": number, "digest": digest, "thisUpdate": now})
        write = (
            tables.update_resource(*place, row["version"], body, now)
            if row is not None
            else tables.insert_resource(*place, body, now)
        )
        old = tables.delete_resources(*NOWHERE, PART, f"{ca_id}/", f"{ca_id}/{number:012d}")
        await deps.store.commit([write, old, *await self._parts(ca_id, number, der, now)])
        return Made(der, number, now, now + LIFE / 2)

    async def _sign(self, ca_id: str, number: int, records: bytes, now: float) -> bytes:
        authority = self._authorities[ca_id]
        key_der = authority.key_der
        what = (number, records, now, now + LIFE)
        if key_der is None:  # the key is in a token, and no other process has it
            return await asyncio.to_thread(sign_revocation_list, authority.certificate, authority.key, *what)
        found: bytes = await self._deps.workers.run(make_revocation_list, authority.pem, key_der, *what)
        return found

    async def _parts(self, ca_id: str, number: int, der: bytes, now: float) -> list[Statement]:
        """A list as rows of no great size, so that nothing has to be done with the whole of it at once."""
        statements = []
        for at in range(0, len(der), PART_BYTES):
            text = dumps({"der": base64.b64encode(der[at : at + PART_BYTES]).decode()})
            id = f"{ca_id}/{number:012d}/{at // PART_BYTES:06d}"
            statements.append(tables.insert_resource(*NOWHERE, PART, id, text, now))
            await asyncio.sleep(0)
        return statements

    async def _read(self, ca_id: str, number: int) -> bytes | None:
        """A list from its rows; None if they are not all there."""
        parts: list[bytes] = []
        prefix = after = f"{ca_id}/{number:012d}/"
        while True:
            rows = await self._deps.store.fetch(*tables.page_resources(*NOWHERE, PART, after, PARTS))
            mine = [row for row in rows if row["id"].startswith(prefix)]
            parts += [base64.b64decode(orjson.loads(row["body"])["der"]) for row in mine]
            if len(mine) < PARTS:
                der = b"".join(parts)
                return der if _whole(der) else None
            after = str(mine[-1]["id"])


def _whole(der: bytes) -> bool:
    """Whether a list is as long as it says itself (X.690, 8.1.3: 30 and a length in the long form)."""
    if len(der) < 4 or not der[1] & 0x80:
        return False
    octets = der[1] & 0x7F
    return len(der) == 2 + octets + int.from_bytes(der[2 : 2 + octets], "big")
