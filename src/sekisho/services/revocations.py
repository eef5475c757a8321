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
from sekisho.logic.revocation import make_revocation_list, serial_text, sign_revocation_list
from sekisho.services.call import Call, Deps
from sekisho.services.work import Document, dumps
from sekisho.store import tables
from sekisho.store.statement import Conflict

REVOKED = "revocation"
"""The kind of what is on the list, by `serial_text`. It is of no account, as the CA is the node's."""

LIST = "crl"
"""The kind of the list itself; its id is that of the CA's certificate."""

NOWHERE = ("", "")

LIFE = 7 * 86400.0
"""Seconds from a list to the next update that it announces; at half of it there is a new one."""

PAGE = 1000


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
    """A list in DER, and the civil times between which it is handed out."""

    der: bytes
    since: float
    until: float


class RevocationLists:
    """Hands out each CA's list, and signs a new one when its entries have changed or half its life is over.

    Lists are rows, so that all nodes hand out the same ones and their numbers only grow (RFC 5280, 5.2.3).
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._made: dict[str, Made] = {}
        self._changes = 0
        self._authorities = {certificate_id(a.certificate): a for a in deps.keyring.authorities}
        self.newest = certificate_id(deps.keyring.ca)
        """The id of the certificate of the CA that issues."""

    def forget(self) -> None:
        """Something was revoked."""
        self._changes += 1
        self._made.clear()

    async def current(self, ca_id: str) -> bytes | None:
        """The list of a CA in DER; None if it is none of this node's."""
        if ca_id not in self._authorities:
            return None
        made, now = self._made.get(ca_id), self._deps.clock.now()
        if made is not None and made.since <= now < made.until:
            return made.der
        seen = self._changes
        while True:
            try:
                made = await self._load(ca_id, now)
            except Conflict:
                continue  # another node has made one
            break
        if seen == self._changes:
            self._made[ca_id] = made
        return made.der

    async def _load(self, ca_id: str, now: float) -> Made:
        deps = self._deps
        place = (*NOWHERE, LIST, ca_id)
        entries = await self._entries(ca_id)
        digest = hashlib.sha256(dumps({"entries": entries}).encode()).hexdigest()
        row = await tables.fetch_one(deps.store, tables.get_resource(*place))
        last: dict[str, Any] = orjson.loads(row["body"]) if row is not None else {"number": 0}
        if row is not None and last["digest"] == digest:
            made = _made(last)
            if made.since <= now < made.until:
                return made
        body: dict[str, Any] = {"number": last["number"] + 1, "digest": digest, "thisUpdate": now}
        authority = self._authorities[ca_id]
        key_der = authority.key_der
        what = (body["number"], entries, now, now + LIFE)
        if key_der is None:  # the key is in a token, and no other process has it
            der = await asyncio.to_thread(sign_revocation_list, authority.certificate, authority.key, *what)
        else:
            der = await deps.workers.run(make_revocation_list, authority.pem, key_der, *what)
        body["der"] = base64.b64encode(der).decode()
        write = (
            tables.update_resource(*place, row["version"], dumps(body), now)
            if row is not None
            else tables.insert_resource(*place, dumps(body), now)
        )
        await deps.store.commit([write])
        return _made(body)

    async def _entries(self, ca_id: str) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        after = ""
        while True:
            rows = await self._deps.store.fetch(*tables.page_resources(*NOWHERE, REVOKED, after, PAGE))
            for row in rows:
                body = orjson.loads(row["body"])
                if body["issuer"] == ca_id:
                    found.append((str(row["id"]), body["revokedAt"]))
            if len(rows) < PAGE:
                return found
            after = str(rows[-1]["id"])


def _made(body: dict[str, Any]) -> Made:
    since = body["thisUpdate"]
    return Made(base64.b64decode(body["der"]), since, since + LIFE / 2)
