"""The host names that have a domain configuration, as a node knows them: kept from the change feed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from sekisho.logic.domains import BUILT_IN, DATA_ENDPOINT, Domain
from sekisho.logic.endpoints import host_name
from sekisho.services import served_certificates
from sekisho.services.access import Sealer
from sekisho.services.domain_configurations import ENABLED, KIND, NAME
from sekisho.services.places import EVERYWHERE, PAGE, Places
from sekisho.services.server_certificates import sealed_for
from sekisho.services.work import Document
from sekisho.store import tables
from sekisho.store.changes import Change
from sekisho.store.store import Store

KINDS = frozenset({KIND, served_certificates.KIND})


class Served(NamedTuple):
    """What a custom domain serves, in PEM: its certificate, those above it, and the key."""

    certificate: str
    chain: str
    key: str

    def __repr__(self) -> str:
        return "Served()"


Told = Callable[[str, Domain | None, Served | None], None]
"""Is told of every host name whose domain is another: None for one that has none any more."""


class Domains:
    """``places.domains`` has all of them by their names."""

    def __init__(self, store: Store, keyring: Sealer, places: Places) -> None:
        self._store = store
        self._keyring = keyring
        self._places = places
        self._names: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._served: dict[str, Served | None] = {}
        self._told: Told | None = None

    def tell(self, told: Told) -> None:
        """Have somebody told of each domain, those that are there first."""
        self._told = told
        for name, domain in self._places.domains.items():
            told(name, domain, self._served.get(name))

    async def start(self) -> None:
        after = ""
        while True:
            rows = await self._store.fetch(*tables.page_resources(*EVERYWHERE, NAME, after, PAGE))
            for row in rows:
                body = orjson.loads(row["body"])
                await self._read(body["account"], body["region"], body["configuration"])
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    async def changed(self, changes: Sequence[Change]) -> None:
        for key in dict.fromkeys((c.account, c.region, c.id) for c in changes if c.kind in KINDS):
            await self._read(*key)

    async def _read(self, account: str, region: str, configuration: str) -> None:
        body = await self._body(account, region, KIND, configuration)
        key = (account, region, configuration)
        before = self._names.pop(key, ())
        if body is None:
            for name in before:
                self._put(name, None, None)
            return
        served = await self._read_served(account, region, configuration)
        self._names[key] = self._names_of(body, account, region)
        for name in self._names[key]:
            self._put(name, _domain(name, account, region, body), served)

    async def _read_served(self, account: str, region: str, configuration: str) -> Served | None:
        body = await self._body(account, region, served_certificates.KIND, configuration)
        if body is None:
            return None
        id = body["certificateArn"].rpartition("/")[2]
        key = self._keyring.open(body["key"], sealed_for(account, region, id))
        return Served(body["certificatePem"], body["chainPem"], key)

    async def _body(self, account: str, region: str, kind: str, id: str) -> Document | None:
        rows = await self._store.fetch(*tables.get_resource(account, region, kind, id))
        found: Document | None = orjson.loads(rows[0]["body"]) if rows else None
        return found

    def _names_of(self, body: Document, account: str, region: str) -> tuple[str, ...]:
        name = body["domainConfigurationName"]
        if name not in BUILT_IN:
            return (body["domainName"],)
        full = host_name(account, region, name, self._places.domain)
        # The default account's is also the node's own name, unless that is another one's by now.
        return tuple(dict.fromkeys((full, self._places.host(account, region, name).lower())))

    def _put(self, name: str, domain: Domain | None, served: Served | None) -> None:
        if domain is None:
            self._places.domains.pop(name, None)
            self._served.pop(name, None)
        else:
            self._places.domains[name] = domain
            self._served[name] = served
        if self._told is not None:
            self._told(name, domain, served)


def _domain(name: str, account: str, region: str, body: Document) -> Domain:
    configuration = body["domainConfigurationName"]
    authorizer = body.get("authorizerConfig") or {}
    return Domain(
        name,
        account,
        region,
        configuration,
        kind=BUILT_IN[configuration if configuration in BUILT_IN else DATA_ENDPOINT][1],
        enabled=body["domainConfigurationStatus"] == ENABLED,
        policy=body["tlsConfig"]["securityPolicy"],
        authentication=body["authenticationType"],
        protocol=body["applicationProtocol"],
        callback=(body.get("clientCertificateConfig") or {}).get("clientCertificateCallbackArn", ""),
        authorizer=authorizer.get("defaultAuthorizerName") or "",
        override=bool(authorizer.get("allowAuthorizerOverride")),
        stapling=bool((body.get("serverCertificateConfig") or {}).get("enableOCSPCheck")),
    )
