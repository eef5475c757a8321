"""Domain configurations: host names of one's own, what they serve, and what they demand of clients.

Source: AWS IoT Developer Guide, "Domain configurations" and "Managing domain configurations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sekisho.aws.errors import InvalidRequestException, LimitExceededException, ResourceAlreadyExistsException
from sekisho.logic.domains import (
    BUILT_IN,
    DATA_ENDPOINT,
    DAYS_DISABLED,
    DEFAULT,
    DEFAULT_POLICY,
    domain_arn,
    managed_name,
)
from sekisho.services import domain_certificates, served_certificates
from sekisho.services.call import Call
from sekisho.services.domain_settings import checked
from sekisho.services.paging import DEFAULT_PAGE, key, token
from sekisho.services.places import EVERYWHERE
from sekisho.services.server_certificates import USE
from sekisho.services.tagging import drop_tags, put_tags
from sekisho.services.taken import require_free
from sekisho.services.work import Document

KIND = served_certificates.CONFIGURATION
NAME = "customdomain"
"""The kind of a row that belongs to no account: a host name, and whose configuration it has."""

MOST = 10
"""AWS General Reference, AWS IoT quotas: domain configurations of an account in a Region."""

ENABLED, DISABLED = "ENABLED", "DISABLED"
OWN, MANAGED, ENDPOINT = "CUSTOMER_MANAGED", "AWS_MANAGED", "ENDPOINT"
"""``domainType``."""

DAY = 86_400


async def create_domain_configuration(
    call: Call,
    domainConfigurationName: str,
    domainName: str | None = None,
    serverCertificateArns: Sequence[str] | None = None,
    validationCertificateArn: str | None = None,
    authorizerConfig: Mapping[str, Any] | None = None,
    serviceType: str | None = None,
    tags: Sequence[Mapping[str, str]] | None = None,
    tlsConfig: Mapping[str, Any] | None = None,
    serverCertificateConfig: Mapping[str, Any] | None = None,
    authenticationType: str | None = None,
    applicationProtocol: str | None = None,
    clientCertificateConfig: Mapping[str, Any] | None = None,
) -> Document:
    name = domainConfigurationName
    arn = domain_arn(call.region, call.account, name)
    words = f"Domain configuration {name} already exists"
    await require_free(call, KIND, name, "domainConfiguration", words)
    if serviceType not in (None, "DATA"):
        raise InvalidRequestException(
            f"serviceType {serviceType}: a domain configuration can be for DATA only"
        )
    if len(await _own(call)) >= MOST:
        raise LimitExceededException(
            f"there are {MOST} domain configurations already, the most that there may be"
        )
    settings = await checked(
        call,
        {},
        authorizerConfig=authorizerConfig,
        tlsConfig=tlsConfig,
        serverCertificateConfig=serverCertificateConfig,
        authenticationType=authenticationType,
        applicationProtocol=applicationProtocol,
        clientCertificateConfig=clientCertificateConfig,
    )
    arns = list(serverCertificateArns or ())
    if domainName is None and (arns or validationCertificateArn):
        raise InvalidRequestException("Must provide a valid domain name to configure.")
    certificate = None
    if domainName is None:
        host = managed_name(call.region, call.account, name, call.deps.config["domain"])
    else:
        host = domainName.lower()
        certificate = await domain_certificates.prove(call, host, arns, validationCertificateArn)
        await served_certificates.serve(call.work, name, certificate)
    domain_certificates.check_stapling(settings, certificate)
    await _take(call, host, name)
    for needed in {*arns, *([validationCertificateArn] if validationCertificateArn else ())}:
        call.work.link(USE, name, needed)
    await put_tags(call, arn, tags)
    return await call.work.put(
        KIND,
        name,
        {
            "domainConfigurationName": name,
            "domainConfigurationArn": arn,
            "domainName": host,
            "serverCertificateArns": arns,
            "validationCertificateArn": validationCertificateArn,
            "serviceType": "DATA",
            "domainType": MANAGED if domainName is None else OWN,
            "domainConfigurationStatus": ENABLED,
            "lastStatusChangeDate": call.now,
            **settings,
        },
    )


async def _take(call: Call, host: str, name: str) -> None:
    """A host name leads to one configuration of the node, whatever account and region it is in."""
    everywhere = call.work.elsewhere(*EVERYWHERE)
    taken = await everywhere.get(NAME, host)
    if taken is not None:
        raise ResourceAlreadyExistsException(
            f"The domain name {host} has a domain configuration already", resourceId=host
        )
    place = {"account": call.account, "region": call.region, "configuration": name}
    await everywhere.put(NAME, host, place)


async def describe_domain_configuration(call: Call, domainConfigurationName: str) -> Document:
    found = await _require(call, domainConfigurationName)
    shown = [await domain_certificates.summary(call, arn, found) for arn in found["serverCertificateArns"]]
    return found | {"serverCertificates": shown}


async def update_domain_configuration(
    call: Call,
    domainConfigurationName: str,
    authorizerConfig: Mapping[str, Any] | None = None,
    domainConfigurationStatus: str | None = None,
    removeAuthorizerConfig: bool | None = None,
    tlsConfig: Mapping[str, Any] | None = None,
    serverCertificateConfig: Mapping[str, Any] | None = None,
    authenticationType: str | None = None,
    applicationProtocol: str | None = None,
    clientCertificateConfig: Mapping[str, Any] | None = None,
) -> Document:
    """The settings of what every account has can be changed as well; of those that are not for data, that is
    the TLS policy."""
    name = domainConfigurationName
    found = await _require(call, name)
    if authorizerConfig is not None and removeAuthorizerConfig:
        raise InvalidRequestException("authorizerConfig and removeAuthorizerConfig exclude each other")
    given = {
        "authorizerConfig": authorizerConfig,
        "tlsConfig": tlsConfig,
        "serverCertificateConfig": serverCertificateConfig,
        "authenticationType": authenticationType,
        "applicationProtocol": applicationProtocol,
        "clientCertificateConfig": clientCertificateConfig,
    }
    if name in BUILT_IN:
        await _check_built_in(call, name, found, given, domainConfigurationStatus)
    settings = await checked(call, found, **given)
    changed = {member: value for member, value in found.items() if member not in given} | settings
    if serverCertificateConfig is not None:
        certificate = await domain_certificates.certificate_of(call, found)
        domain_certificates.check_stapling(settings, certificate)
    if removeAuthorizerConfig:
        changed.pop("authorizerConfig", None)
    if domainConfigurationStatus not in (None, found["domainConfigurationStatus"]):
        changed |= {
            "domainConfigurationStatus": domainConfigurationStatus,
            "lastStatusChangeDate": call.now,
        }
    return await call.work.put(KIND, name, changed)


async def _check_built_in(
    call: Call, name: str, found: Document, given: Mapping[str, Any], status: str | None
) -> None:
    if status == DISABLED:
        raise InvalidRequestException(f"{name} is a default endpoint, and cannot be disabled")
    others = [member for member, value in given.items() if value is not None and member != "tlsConfig"]
    if name != DATA_ENDPOINT and others:
        raise InvalidRequestException(f"{', '.join(others)} cannot be set for {name}")
    everywhere = call.work.elsewhere(*EVERYWHERE)
    place = {"account": call.account, "region": call.region, "configuration": name}
    if await everywhere.get(NAME, found["domainName"]) is None:
        await everywhere.put(NAME, found["domainName"], place)


async def delete_domain_configuration(call: Call, domainConfigurationName: str) -> None:
    name = domainConfigurationName
    found = await call.require(KIND, name)
    if found["domainConfigurationStatus"] != DISABLED:
        raise InvalidRequestException(
            f"Domain configuration {name} must be disabled before it can be deleted"
        )
    if found["domainType"] == MANAGED and call.now < found["lastStatusChangeDate"] + DAYS_DISABLED * DAY:
        raise InvalidRequestException(
            f"AWS Managed Domain Configuration must be disabled for at least {DAYS_DISABLED} days before it "
            "can be deleted"
        )
    for link in await call.work.links_from(USE, name):
        call.work.unlink(USE, name, link.target)
    await call.work.elsewhere(*EVERYWHERE).delete(NAME, found["domainName"])
    await call.work.delete(served_certificates.KIND, name)
    await drop_tags(call, found["domainConfigurationArn"])
    await call.work.delete(KIND, name)


async def list_domain_configurations(
    call: Call, marker: str | None = None, pageSize: int | None = None, serviceType: str | None = None
) -> Document:
    """In alphabetical order, the default endpoints among them."""
    everything = {name: built_in(call, name) for name in BUILT_IN} | dict(await _own(call))
    after, limit = key(marker), pageSize or DEFAULT_PAGE
    wanted = [
        (name, found)
        for name, found in sorted(everything.items())
        if name > after and serviceType in (None, found["serviceType"])
    ]
    more = len(wanted) > limit
    return {
        "domainConfigurations": [found for _, found in wanted[:limit]],
        "nextMarker": token(wanted[limit - 1][0]) if more else None,
    }


async def _own(call: Call) -> list[tuple[str, Document]]:
    """Those that the account has made, at most ten."""
    found, _ = await call.work.page(KIND, "", MOST + len(BUILT_IN))
    return [(name, document) for name, document in found if name not in BUILT_IN]


async def _require(call: Call, name: str) -> Document:
    if name not in BUILT_IN:
        return await call.require(KIND, name)
    return await call.work.get(KIND, name) or built_in(call, name)


def built_in(call: Call, name: str) -> Document:
    """The configuration of a default endpoint, as long as nobody has changed it."""
    return {
        "domainConfigurationName": name,
        "domainConfigurationArn": domain_arn(call.region, call.account, name),
        "domainName": call.deps.places.host(call.account, call.region, name),
        "serverCertificateArns": [],
        "serviceType": BUILT_IN[name][0],
        "domainType": ENDPOINT,
        "domainConfigurationStatus": ENABLED,
        "tlsConfig": {"securityPolicy": DEFAULT_POLICY},
        "authenticationType": DEFAULT,
        "applicationProtocol": DEFAULT,
    }
