"""Accounts of this node: made, listed, and known to every node of the database."""

from __future__ import annotations

from sekisho.aws.errors import AccessDeniedException, ResourceAlreadyExistsException
from sekisho.logic.domains import BUILT_IN
from sekisho.logic.endpoints import TYPES, host_name
from sekisho.services.access import key_document, new_root_key, root
from sekisho.services.call import Call
from sekisho.services.paging import key
from sekisho.services.paging import token as page_token
from sekisho.services.places import ACCOUNT, EVERYWHERE, Places
from sekisho.services.work import Document

PAGE = 25


def require_default_account(call: Call) -> None:
    """AccessDeniedException unless the default account asks: what concerns all accounts is its business."""
    if call.caller.principal.account != call.deps.places.default[0]:
        raise _denied(call, "the node's default account")


def _require_its_root(call: Call) -> None:
    if call.caller.principal.arn != root(call.deps.places.default[0]).arn:
        raise _denied(call, "the root of the node's default account")


def _denied(call: Call, who: str) -> AccessDeniedException:
    return AccessDeniedException(
        f"User: {call.caller.principal.arn} is not authorized to perform: sekisho:{call.operation}; only "
        f"{who} may"
    )


async def create_account(call: Call, accountId: str, accountName: str | None = None) -> Document:
    """A new account with a key of its root; the secret is in this answer and, sealed, in the database."""
    _require_its_root(call)
    work = call.work.elsewhere(*EVERYWHERE)
    if await work.get(ACCOUNT, accountId) is not None:
        raise ResourceAlreadyExistsException(f"account {accountId} exists already")
    access = new_root_key(accountId)
    account = await work.put(ACCOUNT, accountId, {"accountId": accountId, "accountName": accountName})
    await work.put("accesskey", access.id, key_document(access, call.deps.keyring))
    # Sooner than the feed tells: who has this answer may use the account's endpoints at once. Should the
    # commit fail, the node knows an account with nothing in it.
    call.deps.places.add(accountId)
    return {
        "account": _described(call, account),
        "accessKeyId": access.id,
        "secretAccessKey": access.secret,
    }


async def list_accounts(call: Call, maxResults: int | None = None, nextToken: str | None = None) -> Document:
    _require_its_root(call)
    work = call.work.elsewhere(*EVERYWHERE)
    page, after = await work.page(ACCOUNT, key(nextToken), maxResults or PAGE)
    return {"accounts": [_described(call, account) for _, account in page], "nextToken": page_token(after)}


def _described(call: Call, account: Document) -> Document:
    """The account with its endpoints in all regions that this node serves."""
    places: Places = call.deps.places
    id = account["accountId"]
    endpoints = [
        {"region": region, "endpointType": type, "address": host_name(id, region, type, places.domain)}
        for region in places.regions
        for type in TYPES
    ]
    endpoints += [
        {"region": domain.region, "endpointType": domain.configuration, "address": name}
        for name, domain in sorted(places.domains.items())
        if domain.account == id and domain.configuration not in BUILT_IN
    ]
    return account | {"endpoints": endpoints}
