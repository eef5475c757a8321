"""Where this node is: its accounts and regions, and which of them a host name means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sekisho.logic.domains import Domain
from sekisho.logic.endpoints import DATA, host_name, parse_host, prefix
from sekisho.services.work import dumps
from sekisho.store import tables
from sekisho.store.store import Store

Place = tuple[str, str]
"""Account and region."""

ACCOUNT = "account"
"""The kind of an account's row."""

EVERYWHERE = ("", "")
"""The place of what belongs to no account and no region."""

PAGE = 250

ITSELF = ("iot:Data", "iot:Data-ATS")
"""The types for which the default account's answer is the setting ``endpoint``."""


class Endpoint(NamedTuple):
    """Where a client has come to; ``named`` is whether it gave the endpoint's full name, ``domain`` that
    name's configuration if it has one."""

    account: str
    region: str
    kind: str
    named: bool
    domain: Domain | None = None


class Authorization(NamedTuple):
    """The custom authorizer of a domain's clients: who judges those that name none ('' for nobody), and
    whether they may name another."""

    default_authorizer: str
    override: bool


class Places:
    """All accounts in all regions; accounts come while the node runs, and none goes."""

    def __init__(
        self, account: str, regions: Sequence[str], domain: str, endpoint: str, names: Iterable[str] = ()
    ) -> None:
        """``account`` is the default one, as the first region is. ``endpoint`` is a full name of both
        together, and so are the further ``names``."""
        self.default: Place = (account, regions[0])
        self.regions = tuple(regions)
        self.domain = domain
        self._endpoint = endpoint
        self._own = frozenset(name.lower() for name in (endpoint, *names))
        self.domains: dict[str, Domain] = {}
        """Host name → its configuration (`sekisho.services.domains` keeps it)."""
        self._accounts: dict[str, None] = {}
        self._by_prefix: dict[tuple[str, str], Place] = {}
        self.add(account)

    def add(self, account: str) -> None:
        """An account is there from now on; nothing happens if it was."""
        if account not in self._accounts:
            self._accounts[account] = None
            for region in self.regions:
                self._by_prefix[prefix(account, region), region] = (account, region)

    @property
    def all(self) -> list[Place]:
        return [(account, region) for account in self._accounts for region in self.regions]

    def host(self, account: str, region: str, endpoint_type: str) -> str:
        """The name that DescribeEndpoint gives: of the default account in the default region it is that of
        the node itself where devices connect, as that resolves everywhere."""
        if (account, region) == self.default and endpoint_type in ITSELF:
            return self._endpoint
        return host_name(account, region, endpoint_type, self.domain)

    def default_authorizer(self, place: Place, server_name: str) -> Authorization | None:
        """Of the domain that a client of this account and region has named by SNI; None where the name has no
        configuration, or that says nothing of authorizers."""
        domain = self.domains.get(server_name.lower())
        if domain is None or (domain.account, domain.region) != place:
            return None
        if not domain.authorizer and not domain.override:
            return None
        return Authorization(domain.authorizer, domain.override)

    def is_own(self, name: str) -> bool:
        """Whether it is one of the names of the node itself."""
        return name.lower() in self._own

    def resolve(self, server_name: str) -> Endpoint:
        """Which endpoint a client means by SNI; none or an unknown name means the default one."""
        if self.domains:
            domain = self.domains.get(server_name.lower())
            if domain is not None:
                return Endpoint(domain.account, domain.region, domain.kind, True, domain)
        if self.is_own(server_name):
            return Endpoint(*self.default, DATA, True)
        name = parse_host(server_name, self.domain)
        place = self._by_prefix.get((name.prefix, name.region)) if name is not None else None
        if name is None or place is None:
            return Endpoint(*self.default, DATA, False)
        return Endpoint(*place, name.kind, True)


async def load_accounts(store: Store, places: Places, now: float) -> None:
    """Take up the accounts of the database, the default one among them from now on."""
    account = places.default[0]
    if not await store.fetch(*tables.get_resource(*EVERYWHERE, ACCOUNT, account)):
        body = dumps({"accountId": account, "accountName": "default"})
        await store.commit(
            [
                tables.insert_resource(*EVERYWHERE, ACCOUNT, account, body, now, expect=None),
                tables.append_change(*EVERYWHERE, ACCOUNT, account, "created", now),
            ]
        )
    after = ""
    while True:
        rows = await store.fetch(*tables.page_resources(*EVERYWHERE, ACCOUNT, after, PAGE))
        for row in rows:
            places.add(row["id"])
        if len(rows) < PAGE:
            return
        after = rows[-1]["id"]
