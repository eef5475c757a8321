"""Trust policies: who may become a role.

Source: IAM User Guide, "AWS JSON policy elements: Principal", "Cross-account resource access in IAM".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sekisho.logic.json_text import BadJson, kind_of, read_object, shown
from sekisho.logic.policy import Decision, MalformedPolicy, NamedPolicy, Policy, PolicySet, parse_policy
from sekisho.logic.policy_match import Value

KINDS = ("AWS", "Service", "Federated", "CanonicalUser")
ANYONE = "*"
_ACCOUNT = re.compile(r"[0-9]{12}")
_IAM_ARN = re.compile(
    r"arn:aws[a-z-]*:(iam|sts)::([0-9]{12}):(root|(user|role|assumed-role|federated-user)/.+)"
)


class Asker(NamedTuple):
    """Who wants to become the role: its kind in ``Principal``, its account, and every name by which a policy
    may mean it alone (its ARN; of a session the role's ARN, too; a service's host name)."""

    kind: str
    account: str
    names: tuple[str, ...]


class Judgement(NamedTuple):
    """``direct``: a statement that allows it names the asker itself, not just its account or everyone."""

    decision: Decision
    direct: bool


class Trust(NamedTuple):
    """Statements with whom each is about: kind → names, ``*`` among them for everyone."""

    policy: Policy
    principals: tuple[Mapping[str, tuple[str, ...]], ...]

    def judge(self, asker: Asker, action: str, context: Mapping[str, Value]) -> Judgement:
        """Whether the asker may, by this document; its own policies are another question."""
        about = [
            (statement, _names(names, asker))
            for statement, names in zip(self.policy.statements, self.principals, strict=True)
        ]
        decision = self._decide([s for s, match in about if match], action, context)
        direct = self._decide([s for s, match in about if match == "itself"], action, context)
        return Judgement(decision, decision.allowed and direct.allowed)

    def _decide(self, statements: list[Any], action: str, context: Mapping[str, Value]) -> Decision:
        policy = Policy(tuple(statements), self.policy.version)
        return PolicySet([NamedPolicy("trust", "", policy)]).bind(context).decide(action, "*")


def _names(principals: Mapping[str, tuple[str, ...]], asker: Asker) -> str:
    """``itself``, ``others`` as well, or '' when the asker is not meant."""
    names = principals.get(asker.kind, ())
    if any(name in names for name in asker.names):
        return "itself"
    if ANYONE in names:
        return "others"
    return "others" if asker.kind == "AWS" and any(_account(name) == asker.account for name in names) else ""


def _account(name: str) -> str:
    """The account that a principal stands for as a whole, or ''."""
    if _ACCOUNT.fullmatch(name):
        return name
    found = _IAM_ARN.fullmatch(name)
    return found.group(2) if found and found.group(3) == "root" else ""


def parse_trust(text: str) -> Trust:
    """Read a trust policy; raises `MalformedPolicy` with words that say what is wrong and where."""
    try:
        document = read_object(text)
    except BadJson as error:
        raise MalformedPolicy(f"the document is {error}" if str(error)[:3] == "not" else str(error)) from None
    found = document.get("Statement")
    statements = found if isinstance(found, list) else [found]
    principals = []
    for index, statement in enumerate(statements):
        if not isinstance(statement, dict):
            continue  # told by parse_policy
        where = f"statement {index}"
        for name in ("Resource", "NotResource"):
            if name in statement:
                raise MalformedPolicy(f"{where} has {name}, which a trust policy has not")
        if "NotPrincipal" in statement:
            raise MalformedPolicy(f"{where}: NotPrincipal is not implemented by this node")
        if "Principal" not in statement:
            raise MalformedPolicy(f"{where} has no Principal")
        principals.append(_principals(statement.pop("Principal"), where))
        statement["Resource"] = "*"
    policy = parse_policy(json.dumps(document), max_chars=None)
    for parsed in policy.statements:
        for action in parsed.actions + parsed.not_actions:
            if not action.lower().startswith("sts:"):
                raise MalformedPolicy(
                    f"statement {parsed.index}: {shown(action)} is no action of sts, and a trust policy has "
                    "only these"
                )
    return Trust(policy, tuple(principals))


def _principals(found: object, where: str) -> Mapping[str, tuple[str, ...]]:
    if found == ANYONE:
        return dict.fromkeys(KINDS, (ANYONE,))
    if not isinstance(found, dict):
        what = shown(found) if isinstance(found, str) else kind_of(found)
        raise MalformedPolicy(f'{where}: Principal must be "*" or an object, not {what}')
    if not found:
        raise MalformedPolicy(f"{where}: Principal is empty")
    principals = {}
    for kind, names in found.items():
        if kind not in KINDS:
            raise MalformedPolicy(
                f"{where}: Principal has the unknown key {shown(kind)}; known are {', '.join(KINDS)}"
            )
        values = names if isinstance(names, list) else [names]
        for value in values:
            if not isinstance(value, str) or not value:
                raise MalformedPolicy(f"{where}: {kind} must be a name or a list of names")
            if kind == "AWS" and value != ANYONE and not _known(value):
                raise MalformedPolicy(f'{where}: invalid principal "AWS": {shown(value)}')
        if not values:
            raise MalformedPolicy(f"{where}: {kind} is an empty list")
        principals[kind] = tuple(values)
    return principals


def _known(name: str) -> bool:
    return bool(_ACCOUNT.fullmatch(name) or _IAM_ARN.fullmatch(name))
