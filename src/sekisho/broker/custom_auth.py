"""Clients that custom authorizers decide about: at MQTT, at MQTT over WebSocket, and at HTTPS publish.

AWS IoT Developer Guide, "Custom authentication and authorization". What a function has said of a connection
holds until its refresh, whatever becomes of the authorizer meanwhile, as the guide says of the cached policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from sekisho.broker.identification import (
    FAIL_CLOSED,
    Unidentified,
    certificate_id,
    identify,
    place_of,
    unanswered,
)
from sekisho.broker.tls import ALPN_HTTP_X509, ALPN_MQTT, ALPN_MQTT_X509
from sekisho.functions.interface import Functions
from sekisho.logic.authorizer_answers import Grant
from sekisho.logic.certificates import BadCertificate, certificate_pem, load_certificate
from sekisho.logic.custom_auth import SIGNATURE, Certificate, Http, Mqtt, Shown, is_signed
from sekisho.logic.domains import CUSTOM, CUSTOM_X509
from sekisho.logic.json_text import shown as quoted
from sekisho.mqtt.packets import Connect
from sekisho.mqtt.reasons import Reason
from sekisho.services.authorizer_asking import NotGranted, WrongCredentials, ask, verified_token
from sekisho.services.authorizer_records import Authorizer, AuthorizerRecords, Known, Rule, rule_of
from sekisho.services.identity import Identity
from sekisho.services.unique import new_uuid
from sekisho.store.statement import StoreError

if TYPE_CHECKING:
    from sekisho.broker.client import Client
    from sekisho.broker.hub import Hub
    from sekisho.broker.listener import Peer

T = TypeVar("T")

OF_CERTIFICATES = (ALPN_MQTT_X509, ALPN_HTTP_X509)
"""Protocols by which a client says that it comes with a certificate and nothing else."""

ID, GRANT = "id", "grant"
"""What is kept of an HTTP connection: its id, and what its authorizer said last."""

NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
"""What a client has shown is not right, or is not there."""
NOT_FOUND = "CUSTOM_AUTHORIZER_NOT_FOUND"
FAILED = "CUSTOM_AUTHORIZER_LAMBDA_EXECUTION_ERROR"
NOT_FOR_CLIENTS = "CUSTOM_AUTHORIZER_PARAMETER_INVALID"
"""Reasons of AWS's log event Connection.AuthNError (AWS IoT Developer Guide, "CloudWatch AWS IoT log
entries"); the guide does not say what is which."""
WRONG = Reason.BAD_USER_NAME_OR_PASSWORD


class CustomAuth:
    """Says which clients an authorizer is to decide about, and asks it."""

    def __init__(self, hub: Hub, records: AuthorizerRecords, functions: Functions, least: int) -> None:
        """``least``: the shortest time in seconds that a function may ask for."""
        self.hub = hub
        self.records = records
        self.functions = functions
        self.least = least
        hub.custom = self

    async def of_connect(self, peer: Peer, packet: Connect, session: str) -> Asked | None:
        """The client of a CONNECT, or None when no authorizer has a say in it. Raises Unidentified."""
        if peer.principal is not None:
            return None
        rule = rule_of(peer.domain)
        by_certificate = peer.certificate_der is not None and peer.alpn != ALPN_MQTT and peer.http is None
        if rule.never or (by_certificate and not rule.always):
            return None
        shown = Shown(
            session,
            peer.server_name,
            http=peer.http,
            mqtt=Mqtt(packet.username, packet.password, packet.client_id),
            certificate=_certificate(peer) if rule.certificate else None,
        )
        if peer.http is None and not rule.always and not _means_mqtt(peer, shown):
            return None
        return Asked(self, peer, rule, shown)

    async def of_request(self, peer: Peer, http: Http, kept: dict[str, Any]) -> Asked | None:
        """The client of an HTTPS request, as `of_connect`; ``kept`` is what is kept of its connection."""
        rule = rule_of(peer.domain)
        if rule.never:
            return None
        id = kept.setdefault(ID, new_uuid())
        certificate = _certificate(peer) if rule.certificate else None
        shown = Shown(id, peer.server_name, http=http, certificate=certificate)
        if not rule.always:
            if peer.alpn in OF_CERTIFICATES:
                return None
            nobody = peer.certificate_der is not None or not (await self.known(peer)).any_active
            if shown.names is None and nobody:
                return None
        return Asked(self, peer, rule, shown, kept)

    async def takes(self, peer: Peer, http: Http) -> bool:
        """Whether an upgrade to WebSocket that is not signed leads to a CONNECT that an authorizer decides
        about. Raises Unidentified for one that it would refuse already by what the request shows."""
        if is_signed(http.query, http.headers.get("authorization")):
            return False
        rule = rule_of(peer.domain)
        if rule.never:
            return False
        shown = Shown("", peer.server_name, http=http)
        known = await self.known(peer)
        if shown.names is None and not known.any_active and not rule.always:
            return False
        if shown.names is not None:
            authorizer = await self.choose(peer, rule, known, shown)
            both = (authorizer.token, SIGNATURE)  # else the rest may come with CONNECT
            if authorizer.signed and all(shown.value(one) is not None for one in both):
                try:
                    verified_token(authorizer, shown)
                except NotGranted as error:
                    raise Unidentified(NOT_AUTHENTICATED, str(error)) from None
        return True

    async def choose(self, peer: Peer, rule: Rule, known: Known, shown: Shown) -> Authorizer:
        """The authorizer that decides: the named one, else the default. Raises Unidentified."""
        name = shown.names
        if name is not None and not rule.override and name != rule.default:
            words = f"authorizer {quoted(name)} is named, and the domain configuration lets none be named"
            raise Unidentified(NOT_FOR_CLIENTS, words)
        if name is None:
            name = rule.default or known.default
        if not name:
            words = "no authorizer is named, and there is no default one"
            if peer.certificate_der is None:
                words = f"no client certificate was presented, {words}"
            raise Unidentified(NOT_FOUND, words)
        authorizer = known.authorizers.get(name)
        if authorizer is None:
            raise Unidentified(NOT_FOUND, f"authorizer {quoted(name)} does not exist")
        if not authorizer.active:
            raise Unidentified(NOT_FOUND, f"authorizer {name} is INACTIVE")
        return authorizer

    async def known(self, peer: Peer) -> Known:
        """The authorizers of the place that a client has come to."""
        return await _in_time(self.records.known(place_of(self.hub, peer)))


class Asked:
    """One client of an authorizer: what it has shown, and what it may do until that is asked again."""

    __slots__ = (
        "_authorizer",
        "_client",
        "_custom",
        "_due",
        "_grant",
        "_kept",
        "_peer",
        "_rule",
        "_timers",
        "shown",
    )

    def __init__(
        self, custom: CustomAuth, peer: Peer, rule: Rule, shown: Shown, kept: dict[str, Any] | None = None
    ) -> None:
        self.shown = shown
        self._custom = custom
        self._peer = peer
        self._rule = rule
        self._kept = kept
        self._grant: Grant | None = None
        self._authorizer: Authorizer | None = None
        self._due = False
        self._client: Client | None = None
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def authentication(self) -> str:
        """The authenticationType of the client's log entries."""
        return CUSTOM_X509 if self._rule.certificate else CUSTOM

    async def identity(self, client_id: str) -> Identity:
        """Who it is, by what the authorizer said last, or says now. Raises Unidentified."""
        if self._grant is None or self._due:
            try:
                self._authorizer, self._grant = await self._ask()
            except Unidentified as error:
                if self._client is not None:  # no DISCONNECT may say that a password is wrong
                    error.code = Reason.NOT_AUTHORIZED
                raise
            self._due = False
            if self._client is not None:
                self._set_refresh(self._grant)
        assert self._authorizer is not None
        return await self._identity(self._authorizer, self._grant, client_id)

    async def _ask(self) -> tuple[Authorizer, Grant]:
        custom, shown = self._custom, self.shown
        if self._rule.certificate and shown.certificate is None:
            raise Unidentified(NOT_AUTHENTICATED, "no client certificate was presented")
        authorizer = await custom.choose(self._peer, self._rule, await custom.known(self._peer), shown)
        now = custom.hub.clock.tick()
        cached = self._kept if authorizer.cached else None
        # The token by itself as well: it may be in a header that is else about the body or the moment.
        token = shown.value(authorizer.token) if authorizer.token else None
        key = (authorizer, shown.fingerprint, token, shown.value(SIGNATURE))
        if cached is not None and GRANT in cached:
            before, until, grant = cached[GRANT]
            if before == key and now < until:
                return authorizer, grant
        try:
            grant = await ask(authorizer, shown, custom.functions.invoke, least=custom.least)
        except WrongCredentials as error:
            raise Unidentified(NOT_AUTHENTICATED, str(error), WRONG) from None
        except NotGranted as error:
            raise Unidentified(FAILED, str(error)) from None
        if not grant.authenticated:
            words = f"authorizer {authorizer.name} does not authenticate this client"
            raise Unidentified(NOT_AUTHENTICATED, words, WRONG)
        if cached is not None and grant.refresh is not None:
            cached[GRANT] = (key, now + grant.refresh, grant)
        return authorizer, grant

    async def _identity(self, authorizer: Authorizer, grant: Grant, client_id: str) -> Identity:
        hub = self._custom.hub
        policies = grant.policies(authorizer.name)
        if self.shown.certificate is not None:  # what is attached to it counts as well
            of_certificate = await identify(hub, self._peer, client_id)
            both = (*of_certificate.policies.policies, *policies)
            return replace(of_certificate, policies=hub.identities.policy_set(both))
        account, region = place_of(hub, self._peer)
        return Identity(
            account,
            region,
            "",
            f"{authorizer.arn}/{grant.principal}",
            "ACTIVE",
            -inf,
            inf,
            hub.identities.policy_set(policies),
            None,
            user_id=grant.principal,
        )

    # --- while it is connected -----------------------------------------------------------------------------

    def begin(self, client: Client) -> None:
        """It is connected from now on: for so long, with refreshes between."""
        assert self._grant is not None
        self._client = client
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(self._grant.disconnect, self._expire)]
        self._set_refresh(self._grant)

    def end(self) -> None:
        """It is gone."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._client = None

    def _set_refresh(self, grant: Grant) -> None:
        del self._timers[1:]
        if grant.refresh is not None:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(grant.refresh, self._refresh))

    def _refresh(self) -> None:
        if self._client is not None:
            self._due = True
            self._custom.hub.spawn(self._client.refresh())

    def _expire(self) -> None:
        if self._client is not None:
            words = "the connection has lasted as long as its authorizer lets it"
            self._client.end(Reason.MAXIMUM_CONNECT_TIME, words, "CUSTOMAUTH_TTL_EXPIRATION")


async def _in_time(answer: Awaitable[T]) -> T:
    """What the registry answers; Unidentified when it does not, or not in time."""
    try:
        async with asyncio.timeout(FAIL_CLOSED):
            return await answer
    except (StoreError, TimeoutError):
        raise unanswered() from None


def _means_mqtt(peer: Peer, shown: Shown) -> bool:
    """Whether a client of MQTT without WebSocket is an authorizer's: by ALPN, and because it has no
    certificate or names one all the same."""
    if peer.alpn == ALPN_MQTT:
        return peer.certificate_der is None or shown.names is not None
    if peer.certificate_der is None and shown.names is not None:
        words = "no client certificate was presented; a custom authorizer is asked where ALPN says mqtt"
        raise Unidentified(NOT_AUTHENTICATED, words)
    return False


def _certificate(peer: Peer) -> Certificate | None:
    if peer.certificate_der is None:
        return None
    try:
        return Certificate(certificate_id(peer), certificate_pem(load_certificate(peer.certificate_der)))
    except BadCertificate as error:
        raise Unidentified(NOT_AUTHENTICATED, f"the client certificate cannot be read: {error}") from None
