"""Beyond AWS: how long the certificates are valid that this node issues, as its operator chooses."""

from __future__ import annotations

from sekisho.aws.errors import InvalidRequestException
from sekisho.logic.validity import AWS, BadValidity, Validity, end_of, validity_of
from sekisho.services.call import Call
from sekisho.services.certificate_ends import ACCOUNT, DEFAULT, TEMPLATE, TEMPLATES
from sekisho.services.paging import key, page_of
from sekisho.services.work import Document
from sekisho.store import tables

PAGE = 25


async def put_certificate_validity(
    call: Call, templateName: str | None = None, days: int | None = None, notAfter: float | None = None
) -> Document:
    """Of certificates issued from now on; those that exist keep their end."""
    try:
        validity = validity_of(days, notAfter)
        end_of(validity, call.now, call.deps.keyring.ca.not_valid_after_utc)
    except BadValidity as error:
        raise InvalidRequestException(str(error)) from None
    if templateName is None:
        await call.work.put(ACCOUNT, DEFAULT, dict(validity))
        return _shown(call, validity, "ACCOUNT")
    await call.require("provisioningtemplate", templateName)
    if await call.work.get(TEMPLATE, templateName) is None:
        rows = await call.deps.store.fetch(
            *tables.page_resources(call.account, call.region, TEMPLATE, None, TEMPLATES)
        )
        if len(rows) >= TEMPLATES:
            raise InvalidRequestException(
                f"{TEMPLATES} provisioning templates have a validity of their own, the most that can"
            )
    await call.work.put(TEMPLATE, templateName, dict(validity))
    return _shown(call, validity, "TEMPLATE", templateName)


async def get_certificate_validity(call: Call, templateName: str | None = None) -> Document:
    if templateName is not None:
        await call.require("provisioningtemplate", templateName)
        found = await call.work.get(TEMPLATE, templateName)
        if found is not None:
            return _shown(call, found, "TEMPLATE", templateName)
    found = await call.work.get(ACCOUNT, DEFAULT)
    return _shown(call, found or AWS, "ACCOUNT" if found else "AWS", templateName)


async def delete_certificate_validity(call: Call, templateName: str | None = None) -> None:
    if templateName is None:
        await call.work.delete(ACCOUNT, DEFAULT)
    else:
        await call.require("provisioningtemplate", templateName)
        await call.work.delete(TEMPLATE, templateName)


async def list_certificate_validities(
    call: Call, maxResults: int | None = None, nextToken: str | None = None
) -> Document:
    page, after = await call.work.page(TEMPLATE, key(nextToken), maxResults or PAGE)
    items = [{"templateName": name} | validity for name, validity in page]
    return page_of(items, after, "validities", "nextToken")


def _shown(call: Call, validity: Validity, origin: str, template: str | None = None) -> Document:
    issuer_end = call.deps.keyring.ca.not_valid_after_utc
    shown: Document = {
        "templateName": template,
        "days": validity.get("days"),
        "notAfter": validity.get("notAfter"),
        "origin": origin,
        "issuerNotAfter": issuer_end.timestamp(),
    }
    try:
        shown["wouldEnd"] = end_of(validity, call.now, issuer_end).timestamp()
    except BadValidity as error:
        shown["whyNot"] = str(error)
    return shown
