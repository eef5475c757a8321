"""The node's own operations, beyond AWS: refusals explained, the civil clock, what this node is."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from sekisho.aws.errors import InvalidRequestException
from sekisho.clock import REAL, ClockState
from sekisho.services.accounts import require_default_account
from sekisho.services.call import Call
from sekisho.services.certificate_records import drop_attachments, drop_certificate
from sekisho.services.civil_time import write_clock
from sekisho.services.fleet_provisioning import TOKEN
from sekisho.services.identity import CLAIM
from sekisho.services.paging import key
from sekisho.services.paging import token as page_token
from sekisho.services.work import Document
from sekisho.store import tables

REFUSALS = 25
EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


async def list_refusals(
    call: Call,
    clientId: str | None = None,
    certificateId: str | None = None,
    thingName: str | None = None,
    maxResults: int | None = None,
    nextToken: str | None = None,
) -> Document:
    await call.deps.refusals.flush()
    filters = {"account": call.account, "region": call.region}
    given = {"client_id": clientId, "certificate_id": certificateId, "thing_name": thingName}
    filters |= {column: value for column, value in given.items() if value is not None}
    limit = maxResults or REFUSALS
    before = key(nextToken)
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise InvalidRequestException("nextToken is not one that this operation gave")
    rows = await call.deps.store.fetch(
        *tables.page_refusals(filters, int(before) if before else None, limit + 1)
    )
    found = [orjson.loads(row["body"]) | {"refusalId": str(row["seq"])} for row in rows[:limit]]
    more = str(rows[limit - 1]["seq"]) if len(rows) > limit else ""
    return {"refusals": found, "nextToken": page_token(more)}


async def describe_clock(call: Call) -> Document:
    state: ClockState = call.deps.clock.state
    return {"now": call.deps.clock.now(), "frozen": state.rate == 0.0, "rate": state.rate}


async def set_clock(
    call: Call,
    to: float | None = None,
    advanceSeconds: float | None = None,
    frozen: bool | None = None,
    rate: float | None = None,
    reset: bool | None = None,
) -> Document:
    """Turn civil time for all nodes of this database; what is due by then happens within a second."""
    require_default_account(call)
    if frozen and rate:
        raise InvalidRequestException("frozen and rate exclude each other")
    if reset and any(value is not None for value in (to, advanceSeconds, frozen, rate)):
        raise InvalidRequestException("reset excludes everything else")
    clock = call.deps.clock
    if reset:
        state = REAL
    else:
        speed = 0.0 if frozen else rate
        if frozen is False and speed is None and clock.state.rate == 0.0:
            speed = 1.0
        state = clock.state.turned(clock.real(), to=to, advance=advanceSeconds or 0.0, rate=speed)
        if not EARLIEST <= state.at(clock.real()) <= LATEST:
            raise InvalidRequestException("the clock goes from the year 1 to the year 9999")
    await write_clock(call.deps.store, state, clock.real())
    clock.state = state
    return await describe_clock(call)


async def describe_node(call: Call) -> Document:
    return call.deps.facts


async def expire_provisioning_claim(call: Call, certificateId: str) -> Document:
    """Delete a trusted user's claim whose five minutes are over; what it provisioned stays.

    The node calls it by itself every second; ``expired`` is False while the claim has time.
    """
    claim = await call.work.get(CLAIM, certificateId)
    if claim is not None and call.now < claim["validity"]["notAfter"]:
        return {"expired": False}
    await call.work.delete(CLAIM, certificateId)
    return {"expired": True}


async def expire_ownership_token(call: Call, ownershipTokenId: str) -> Document:
    """Delete a fleet-provisioning token whose hour is over, with its certificate if that is still pending.

    The node calls it by itself every second; ``expired`` is False while the token has time.
    """
    token = await call.work.get(TOKEN, ownershipTokenId)
    if token is None:
        return {"expired": True}
    if call.now < token["expires"]:
        return {"expired": False}
    await call.work.delete(TOKEN, ownershipTokenId)
    certificate = await call.work.get("cert", token["certificateId"])
    if certificate is not None and certificate["status"] == "PENDING_ACTIVATION":
        await drop_attachments(call.work, certificate)
        await drop_certificate(call.work, certificate)
    return {"expired": True}
