"""One call of an operation: who asks, where, when, and what it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import orjson

from sekisho.aws.errors import ResourceNotFoundException
from sekisho.functions.interface import Functions, NoFunctions
from sekisho.logic.arns import arn
from sekisho.logic.policy import NamedPolicy, PolicySet, parse_policy
from sekisho.mqtt.message import Message
from sekisho.services.hints import Hints
from sekisho.services.live import Connections
from sekisho.services.work import Document, Work
from sekisho.store.changes import Change
from sekisho.store.store import Store

ALLOW_ALL = PolicySet(
    (
        NamedPolicy(
            "AdministratorAccess",
            "1",
            parse_policy(
                '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
            ),
        ),
    )
)
NOTHING = PolicySet(())
NO_CONTEXT: Mapping[str, str] = MappingProxyType({})


class Principal(NamedTuple):
    """Who asks: an ARN, what policies speak for it, and the id that AWS calls its user id.

    ``limit`` is a session's own policy: what it does not allow, nothing does. ``context`` are the condition
    keys that come with the principal. ``temporary``: its credentials have an end, ``expires`` in civil epoch
    seconds. ``service`` is the host name of an AWS service that the node acts as. ``key`` is the id of the
    access key that has signed.
    """

    arn: str
    account: str
    policies: PolicySet
    user_id: str = ""
    limit: PolicySet | None = None
    context: Mapping[str, str] = NO_CONTEXT
    temporary: bool = False
    service: str = ""
    key: str = ""
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal at a door, in an account and region.

    ``certificate_id`` and ``client_id`` are set when a device asks over MQTT. ``role`` is the role in which
    the node does for it what it asks; what that may not do is not done.
    """

    principal: Principal
    account: str
    region: str
    source_ip: str = ""
    request_id: str = ""
    certificate_id: str = ""
    client_id: str = ""
    role: Principal | None = None


class Events(Protocol):
    """What a unit of work says of itself when it is committed."""

    async def add_to(self, work: Work) -> None: ...
    def committed(self, work: Work) -> None: ...

    def tells_links(self, account: str, region: str, kind: str) -> bool:
        """Whether of each link of a kind is said that it comes or goes."""
        ...


class NoEvents:
    async def add_to(self, work: Work) -> None:
        """Nothing is said."""

    def committed(self, work: Work) -> None:
        """Nothing is said."""

    def tells_links(self, account: str, region: str, kind: str) -> bool:
        return False


class Log(Protocol):
    """What operations are logged to, as far as an account's logging options go."""

    @property
    def on(self) -> bool:
        """Whether anything of anybody can be logged."""
        ...

    async def committed(self, work: Work) -> None: ...

    def operation(
        self, caller: Caller, service: str, operation: str, given: Mapping[str, Any], error: str | None
    ) -> None: ...


@dataclass(slots=True)
class Deps:
    """What operations may use. ``publish`` hands a message to the broker, ``connections`` is the broker;
    ``facts`` describes the node, ``index`` reads the fleet index."""

    config: Any
    store: Store
    clock: Any
    keyring: Any
    workers: Any
    publish: Callable[[Message], Awaitable[None] | None]
    connections: Connections = field(kw_only=True)
    refusals: Any = None
    places: Any = None
    functions: Functions = field(default_factory=NoFunctions)
    objects: Any = None
    link: Any = None
    events: Events = field(default_factory=NoEvents)
    logs: Log | None = None
    index: Any = None
    principals: Any = None
    hints: Hints = field(default_factory=Hints)
    forget: Callable[[Change], None] = lambda _: None
    """Told of what an operation of this node has changed before that is answered: who comes next finds it so.
    What rests on it already, and every other node, hears of it by the change feed."""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """What an operation gets as its first argument. Everything it writes goes through ``work``.

    ``check(service, operation, members)`` holds members against a model, as the door does, for an operation
    that is made of others.
    """

    deps: Deps
    caller: Caller
    service: str
    operation: str
    now: float
    work: Work
    check: Callable[[str, str, Mapping[str, Any]], None]
    answers: dict[tuple[str, bytes], dict[str, Any]] = field(default_factory=dict)
    again: bool = False
    """Whether it is run again because what it read had changed."""

    async def invoke(self, function: str, event: Document) -> Document:
        """Call a user's function; once for an event, however often the operation is run again.

        Raises FunctionError.
        """
        key = (function, orjson.dumps(event, option=orjson.OPT_SORT_KEYS))
        answer = self.answers.get(key)
        if answer is None:
            answer = self.answers[key] = await self.deps.functions.invoke(function, event)
        return answer

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def region(self) -> str:
        return self.caller.region

    def arn(self, kind: str, name: str) -> str:
        return arn(self.region, self.account, kind, name)

    def use_hints(self) -> None:
        """For an operation that commits whatever it answers; nothing happens when it is run again."""
        if self.again:
            self.deps.hints.clear()
        else:
            self.work.hints = self.deps.hints

    async def require(self, kind: str, id: str) -> Document:
        """The document, or ResourceNotFoundException naming it."""
        found = await self.work.get(kind, id)
        if found is None:
            raise ResourceNotFoundException(f"{NOUNS.get(kind, kind)} {id} does not exist")
        return found


NOUNS: Mapping[str, str] = {
    "thing": "Thing",
    "thingtype": "Thing type",
    "thinggroup": "Thing group",
    "billinggroup": "Billing group",
    "policy": "Policy",
    "cert": "Certificate",
    "cacert": "CA certificate",
    "certificateprovider": "Certificate provider",
    "authorizer": "Authorizer",
    "domainconfiguration": "Domain configuration",
    "topictrigger": "Topic trigger",
    "registrationtask": "Registration task",
    "registrationprogress": "Registration task",
    "provisioningtemplate": "Provisioning template",
    "rolealias": "Role alias",
    "fleetmetric": "Fleet metric",
    "package": "Package",
    "packageversion": "Package version",
}


def service_principal(account: str, name: str) -> Principal:
    """The node acting by itself: a template's role, a periodic task."""
    return Principal(f"arn:aws:iam::{account}:role/service-role/sekisho-{name}", account, ALLOW_ALL)
