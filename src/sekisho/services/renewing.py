"""What the operations of renewal are made of: finding the certificate, telling the device, retiring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sekisho.aws.errors import ConflictException, InvalidRequestException
from sekisho.logic.renewal import WORDS, RenewalStatus, due_id
from sekisho.mqtt.message import Message
from sekisho.services import thing_principals
from sekisho.services.call import Call
from sekisho.services.certificate_records import drop_attachments
from sekisho.services.policy_attachments import ATTACHED
from sekisho.services.work import Document
from sekisho.store import connections

RENEWAL = "renewal"
"""The kind of a thing's latest renewal; its id is the thing's name."""

DUE = "renewaldue"
"""The open renewals in the order of their deadlines: `due_id` of deadline and thing."""

WAIT = "renewalwait"
"""The new certificates that nobody has connected with yet, by certificate id."""

RETIRED = "retiredcertificate"
"""What is to be deleted, in the order of its time: `due_id` of time and certificate id."""

TOPIC = "$sekisho/renewals/{}/{}"

SHOWN = ("renewalId", "thingName", "status", "certificateId", "newCertificateId", "deadline", "reason")
"""What the device is told of a renewal."""


async def find_pair(call: Call, thing: str | None, id: str | None) -> tuple[str, Document]:
    """The thing and its certificate that is to be renewed; either may be left out where it is clear."""
    if thing is None:
        if id is None:
            raise InvalidRequestException("give thingName or certificateId")
        certificate = await call.require("cert", id.lower())
        links = await call.work.links_to(thing_principals.KIND, certificate["certificateArn"])
        if len(links) != 1:
            raise InvalidRequestException(
                f"certificate {id} has {len(links)} things; "
                + ("name one by thingName" if links else "a device is asked through its thing: attach one")
            )
        thing = links[0].source
    else:
        await call.require("thing", thing)
        certificate = await _certificate_of(call, thing, id.lower() if id is not None else None)
    if certificate["status"] != "ACTIVE":
        raise ConflictException(
            f"certificate {certificate['certificateId']} is {certificate['status']}; "
            "only an ACTIVE one is renewed"
        )
    return thing, certificate


async def _certificate_of(call: Call, thing: str, id: str | None) -> Document:
    links = await call.work.links_from(thing_principals.KIND, thing)
    names = [link.target.rpartition("/")[2] for link in links]
    if id is not None:
        if id not in names:
            raise InvalidRequestException(f"certificate {id} is not attached to thing {thing}")
        return await call.require("cert", id)
    active = []
    for name in names:
        certificate = await call.work.get("cert", name)
        if certificate is not None and certificate["status"] == "ACTIVE":
            active.append(certificate)
    if len(active) != 1:
        raise InvalidRequestException(
            f"thing {thing} has {len(active)} active certificates"
            + ("; name one by certificateId" if active else "")
        )
    return active[0]


def tell(call: Call, renewal: Mapping[str, Any], what: str) -> None:
    """A message to the device, once all of this is committed; one that is away asks when it is back."""
    body = orjson.dumps({member: renewal[member] for member in SHOWN if renewal.get(member) is not None})
    topic = TOPIC.format(renewal["thingName"], what)
    call.work.messages.append(Message(call.account, call.region, topic, body, qos=1, received_at=call.now))


async def has_connected(call: Call, certificate_id: str) -> bool:
    """Whether anybody has connected with the certificate: who has proved, in TLS, to have its key."""
    await call.deps.connections.settle()
    filters = {"account": call.account, "region": call.region, "certificate_id": certificate_id}
    return bool(await call.deps.store.fetch(*connections.page_connections(filters, "", 1)))


async def end(call: Call, renewal: Document, status: RenewalStatus) -> Document:
    """Bring a renewal to its end: one of the two certificates is retired."""
    new = renewal.get("newCertificateId")
    await call.work.delete(DUE, due_id(renewal["deadline"], renewal["thingName"]))
    if new is not None:
        await call.work.delete(WAIT, new)
        await retire(
            call,
            renewal["certificateId"] if status == "SUCCEEDED" else new,
            renewal.get("deleteAfterSeconds"),
        )
    ended = renewal | {"status": status, "endedAt": call.now, "reason": WORDS[status]}
    tell(call, ended, "status")
    return await call.work.put(RENEWAL, renewal["thingName"], ended, what=status)


async def retire(call: Call, id: str, delete_after: float | None) -> None:
    """INACTIVE, without policies and things; later deleted if wanted. What is REVOKED stays so."""
    certificate = await call.work.get("cert", id)
    if certificate is None:
        return
    await drop_attachments(call.work, certificate)
    if certificate["status"] == "ACTIVE":
        changed = {"status": "INACTIVE", "customerVersion": certificate["customerVersion"] + 1}
        await call.work.put("cert", id, certificate | changed, what="INACTIVE")
    if delete_after is not None:
        at = call.now + delete_after
        await call.work.put(RETIRED, due_id(at, id), {"certificateId": id})


async def copy_attachments(call: Call, old: Document, new: Document) -> None:
    """The new certificate may what the old one may, and belongs to the same things in the same way."""
    for kind in (ATTACHED, thing_principals.KIND):
        for link in await call.work.all_links_to(kind, old["certificateArn"]):
            call.work.link(kind, link.source, new["certificateArn"], link.body)
