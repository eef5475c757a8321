"""What one connection may do: decisions that never await, and the evidence when the answer is no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.logic.arns import arn
from sekisho.logic.policy import Bound
from sekisho.logic.variables import connection_variables
from sekisho.services.evidence import evidence
from sekisho.services.identity import Identity

OF_CONNECTIONS = ("iot:ClientId", "iot:Connection.")
"""How the variables begin that only a connection has."""


class Authorizer:
    """The compiled policies of a connection, bound to its variables; made anew when any of them changes."""

    __slots__ = ("_account", "_bound", "_limit", "_region", "identity")

    def __init__(self, identity: Identity, variables: Mapping[str, Any]) -> None:
        self.identity = identity
        self._account = identity.account
        self._region = identity.region
        self._bound: Bound = identity.policies.bind(variables)
        limit = identity.limit
        self._limit: Bound | None = None if limit is None else limit.bind(variables)

    def allows(self, action: str, kind: str, name: str, context: Mapping[str, Any] = {}) -> bool:
        """Whether e.g. ``("iot:Publish", "topic", "a/b")`` is allowed."""
        resource = arn(self._region, self._account, kind, name)
        if not self._bound.decide(action, resource, context).allowed:
            return False
        return self._limit is None or self._limit.decide(action, resource, context).allowed

    def explain(self, action: str, kind: str, name: str, context: Mapping[str, Any] = {}) -> dict[str, Any]:
        """The evidence of a decision, with the members of the sekisho model's Refusal."""
        resource = arn(self._region, self._account, kind, name)
        found = self._bound.explain(action, resource, context)
        if found.outcome == "ALLOWED" and self._limit is not None:  # then the session's own policy says no
            found = self._limit.explain(action, resource, context)
        return evidence(found)


def request_variables(
    identity: Identity, attributes: Mapping[str, Any], address: str, domain: str
) -> dict[str, Any]:
    """The policy variables of an HTTPS request: without a connection there is no client id and no thing (AWS
    IoT Developer Guide, Thing policy variables)."""
    variables = variables_of(identity, attributes, "", address, domain)
    return {name: value for name, value in variables.items() if not name.startswith(OF_CONNECTIONS)}


def variables_of(
    identity: Identity, attributes: Mapping[str, Any], client_id: str, address: str, domain: str
) -> dict[str, Any]:
    """The policy variables of a connection; ``attributes`` are its certificate's."""
    thing = identity.thing
    return dict(identity.context) | connection_variables(
        client_id=client_id,
        certificate_id=identity.certificate_id,
        certificate=attributes,
        thing=(thing.name, thing.type_name, thing.attributes) if thing is not None else None,
        source_ip=address,
        domain_name=domain,
    )
