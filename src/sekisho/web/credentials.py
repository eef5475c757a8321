"""The credentials provider: a device's certificate in, temporary credentials of a role out.

AWS IoT Developer Guide, "Authorizing direct calls to AWS services using AWS IoT Core credential provider".
The refusals and their order are those that were measured at AWS; each leaves an entry for explain. Whether a
certificate may be used here at all is looked at first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import orjson
import structlog

from sekisho.aws.errors import (
    AccessDeniedException,
    AwsError,
    InternalFailureException,
    InvalidRequestException,
    ResourceNotFoundException,
    ServiceUnavailableException,
    ValidationError,
)
from sekisho.aws.request import Request, Response
from sekisho.broker.admission import record_refusal
from sekisho.broker.arrivals import why_no_certificate
from sekisho.broker.authorizer import Authorizer
from sekisho.broker.hub import Hub
from sekisho.broker.identification import Unidentified, domain_of, identify
from sekisho.broker.listener import Peer
from sekisho.services.api import Api
from sekisho.services.call import ALLOW_ALL, Caller, Principal
from sekisho.services.device_variables import OF_CONNECTIONS, attributes_of, variables_of
from sekisho.services.identity import Identity
from sekisho.services.unique import new_uuid
from sekisho.services.work import Document
from sekisho.web.endpoint import Receive, Scope, Send, read_request, write_response
from sekisho.web.publish import is_signed

log = structlog.get_logger("sekisho.web")

PATH = re.compile(r"/role-aliases/([^/]{1,384})/credentials")
"""An alias has 128 characters at most, each of three when it is encoded."""

LONGEST_THING = 128
"""Characters of a thing's name, more of which explain does not keep."""

THING = "x-amzn-iot-thingname"
ACTION = "iot:AssumeRoleWithCertificate"
SERVICE = "credentials.iot.amazonaws.com"

DENIED = "Access Denied"
INVALID_THING = "Invalid thing name passed"
INVALID_CERTIFICATE = "Certificate is invalid on this endpoint"
NO_ALIAS = "Role alias does not exist"
NO_ROLE = "Unable to assume the role, or the role to assume does not exist"
TOO_LONG = "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role"

WITHOUT_CA = "SNI_ONLY"
"""The certificateMode of a certificate that was registered without its CA."""


NOT_HERE = frozenset({"MULTI_ACCOUNT_CERTIFICATE", "SNI_MISUSED"})
"""The reasons of Unidentified for a certificate that is good, but not for this endpoint."""

UNANSWERED = "INTERNAL_SERVER_ERROR"
"""The reason of Unidentified when the registry could not be asked."""


class Refused(Exception):
    """What the device is answered, and what explain tells beyond that."""

    def __init__(self, error: AwsError, reason: str = "", **evidence: Any) -> None:
        super().__init__(error.message)
        self.error = error
        self.reason = reason or error.message
        self.evidence = evidence


class DeviceCredentials:
    """Answers a device that asks for credentials; every other request goes on to ``inner``."""

    def __init__(self, inner: Any, api: Api, hub: Hub, config: Any) -> None:
        self._inner = inner
        self._api = api
        self._hub = hub
        self._certificates = config.values.get("multi_account_certificates", "data")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer: Peer | None = scope.get("state", {}).get("peer")
        # What looks signed has been let in as such, and is nobody's by a certificate.
        asks = peer is not None and scope["method"] == "GET" and not is_signed(scope)
        path = PATH.fullmatch(scope["raw_path"].decode("latin-1")) if asks else None
        if peer is None or path is None:
            await self._inner(scope, receive, send)
            return
        trace = new_uuid()
        try:
            request = await read_request(scope, receive)
        except AwsError as error:
            await write_response(send, _refusal(error, trace))
            return
        if request is not None:
            await write_response(send, await self._answer(request, unquote(path.group(1)), peer, trace))

    async def _answer(self, request: Request, alias: str, peer: Peer, trace: str) -> Response:
        thing = request.headers.get(THING)
        try:
            credentials = await self._credentials(alias, thing, peer, trace)
        except Refused as refused:
            status = refused.error.fallback_status
            entry = {
                "action": ACTION,
                "resource": f"rolealias/{alias}",
                "thingName": (thing or "")[:LONGEST_THING],
                "reason": refused.reason,
                "effect": f"the request was answered {status} ({refused.error.message})",
            }
            record_refusal(self._hub, peer, **entry | refused.evidence)
            return _refusal(refused.error, trace)
        except AwsError as error:
            return _refusal(error, trace)
        except Exception:
            log.exception("request failed", request=trace)
            return _refusal(InternalFailureException("An internal failure occurred"), trace)
        headers = {"content-type": "application/json", "x-amzn-requestid": trace}
        return Response(200, headers, orjson.dumps({"credentials": credentials}))

    async def _credentials(self, alias: str, thing: str | None, peer: Peer, trace: str) -> Document:
        identity = await self._identify(peer, thing)
        if thing is not None and (identity.thing is None or identity.thing.name != thing):
            raise Refused(
                AccessDeniedException(INVALID_THING),
                f"thing {thing[:LONGEST_THING]!r} does not exist or is not attached to the certificate",
            )
        self._require_allowed(identity, alias, thing, peer)
        caller = _caller(identity, thing, peer, trace)
        try:
            answer = await self._api.invoke(caller, "iot", "DescribeRoleAlias", roleAlias=alias)
        except (ResourceNotFoundException, InvalidRequestException) as error:
            raise Refused(ResourceNotFoundException(NO_ALIAS), error.message) from None
        return await self._assume(caller, answer["roleAliasDescription"], identity)

    async def _identify(self, peer: Peer, thing: str | None) -> Identity:
        why_not = why_no_certificate(peer)
        if why_not is not None:
            raise Refused(AccessDeniedException(DENIED), f"NOT_AUTHENTICATED: {why_not}")
        try:
            identity = await identify(self._hub, peer, thing or "")
        except Unidentified as error:
            if error.reason == UNANSWERED:
                raise Refused(ServiceUnavailableException(error.words)) from None
            words = INVALID_CERTIFICATE if error.reason in NOT_HERE else DENIED
            raise Refused(AccessDeniedException(words), f"{error.reason}: {error.words}") from None
        if identity.mode == WITHOUT_CA and self._certificates != "all":
            raise Refused(
                AccessDeniedException(INVALID_CERTIFICATE),
                f"MULTI_ACCOUNT_CERTIFICATE: certificate {identity.certificate_id} is registered without a "
                "proof of its CA, and is for the data endpoint, not for credentials "
                "(multi_account_certificates = data); use one that the platform or a registered CA issued",
            )
        return identity

    def _require_allowed(self, identity: Identity, alias: str, thing: str | None, peer: Peer) -> None:
        """By the certificate's policies. Variables of things have values only if the device has said which
        thing it is; there is no connection, hence no client id."""
        attributes = attributes_of(identity, peer.certificate_der)
        variables = variables_of(identity, attributes, "", peer.address, domain_of(self._hub, peer))
        without = OF_CONNECTIONS if thing is None else OF_CONNECTIONS[:1]
        variables = {name: value for name, value in variables.items() if not name.startswith(without)}
        authorizer = Authorizer(identity, variables)
        if not authorizer.allows(ACTION, "rolealias", alias):
            evidence = authorizer.explain(ACTION, "rolealias", alias)
            words = f"not authorized to assume the role of role alias {alias}"
            raise Refused(AccessDeniedException(DENIED), words, **evidence)

    async def _assume(self, caller: Caller, alias: Document, identity: Identity) -> Document:
        who = caller.principal
        source = {"aws:SourceAccount": identity.account, "aws:SourceArn": alias["roleAliasArn"]}
        caller = replace(caller, principal=who._replace(context={**who.context, **source}))
        try:
            answer = await self._api.invoke(
                caller,
                "sts",
                "AssumeRole",
                RoleArn=alias["roleArn"],
                RoleSessionName=identity.certificate_id,
                DurationSeconds=alias["credentialDurationSeconds"],
            )
        except AccessDeniedException:
            words = f"role {alias['roleArn']} does not exist, or does not trust {SERVICE}"
            raise Refused(InvalidRequestException(NO_ROLE), words) from None
        except ValidationError as error:
            raise Refused(InvalidRequestException(TOO_LONG), error.message) from None
        found = answer["Credentials"]
        moment = datetime.fromtimestamp(found["Expiration"], UTC)
        return {
            "accessKeyId": found["AccessKeyId"],
            "secretAccessKey": found["SecretAccessKey"],
            "sessionToken": found["SessionToken"],
            "expiration": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _caller(identity: Identity, thing: str | None, peer: Peer, trace: str) -> Caller:
    """The credentials service, which asks for the role in the device's name."""
    context = {"credentials-iot:AwsCertificateId": identity.certificate_id}
    if thing is not None and identity.thing is not None:
        context["credentials-iot:ThingName"] = thing
        if identity.thing.type_name:
            context["credentials-iot:ThingTypeName"] = identity.thing.type_name
    return Caller(
        Principal(SERVICE, identity.account, ALLOW_ALL, context=context, service=SERVICE),
        identity.account,
        identity.region,
        peer.address,
        trace,
        certificate_id=identity.certificate_id,
    )


def _refusal(error: AwsError, trace: str) -> Response:
    headers = {
        "content-type": "application/json",
        "x-amzn-requestid": trace,
        "x-amzn-errortype": error.code,
    }
    return Response(error.fallback_status, headers, orjson.dumps({"message": error.message}))
