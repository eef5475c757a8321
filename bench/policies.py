"""What a decision costs with ten policies: kept, made anew on a connection, made for one that is new.

``python bench/policies.py [--policies N]``. Beside it, the same decisions by an evaluation that does all of
it each time: reads the documents, puts the values in, and tries each statement with `fnmatch`. The two must
agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import timeit
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib.util import find_spec
from math import inf

from sekisho.broker.authorizer import Authorizer
from sekisho.logic.policy import NamedPolicy, Policy, PolicySet, parse_policy
from sekisho.services.identity import Identity

REGION, ACCOUNT = "us-east-1", "123456789012"
ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}:"
NAME, SITE = "lamp-0001", "north"
VARIABLES = {
    "iot:ClientId": NAME,
    "iot:CertificateId": "ab" * 32,
    "iot:Connection.Thing.ThingName": NAME,
    "iot:Connection.Thing.ThingTypeName": "lamp",
    "iot:Connection.Thing.Attributes[site]": SITE,
    "iot:Connection.Thing.IsAttached": "true",
    "iot:DomainName": "iot.example.com",
    "aws:SourceIp": "10.1.2.3",
}
KEPT_ASKED, NEW_ASKED = 1.0, 200.0
"""Microseconds that the project asks of itself: of a decision that is kept, and of one that is not."""


def document(number: int) -> str:
    """Five statements with variables, wildcards, a condition and a deny, as a fleet's policies have them."""
    thing = "${iot:Connection.Thing.ThingName}"
    own, site = (
        f"{ARN}topic/fleet/{number}/{thing}/*",
        f"{ARN}topic/{number}/${{iot:Connection.Thing.Attributes[site]}}/?",
    )
    attached = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
    statements = [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": f"{ARN}client/{thing}",
            "Condition": attached,
        },
        {"Effect": "Allow", "Action": ["iot:Publish", "iot:RetainPublish"], "Resource": [own, site]},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": f"{ARN}topicfilter/fleet/{number}/*"},
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": f"{ARN}topic/fleet/{number}/*"},
        {"Effect": "Deny", "Action": "iot:Publish", "Resource": f"{ARN}topic/fleet/{number}/*/secret/*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def naive(texts: list[str], variables: Mapping[str, str], action: str, resource: str) -> bool:
    """IAM's rule and nothing else."""
    allowed = False
    for text in texts:
        for name, value in variables.items():
            text = text.replace("${" + name + "}", value)
        for statement in json.loads(text)["Statement"]:
            actions, resources = (
                [value] if isinstance(value, str) else value
                for value in (statement["Action"], statement["Resource"])
            )
            if action not in actions or not any(fnmatchcase(resource, pattern) for pattern in resources):
                continue
            conditions = statement.get("Condition", {}).get("Bool", {})
            if any(variables.get(key) != value for key, value in conditions.items()):
                continue
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def authorizer(named: list[NamedPolicy]) -> Authorizer:
    identity = Identity(ACCOUNT, REGION, "", "", "ACTIVE", -inf, inf, PolicySet(named), None)
    return Authorizer(identity, VARIABLES)


def microseconds(function: Callable[[], object]) -> float:
    """Processor time, the best of several rounds of about a tenth of a second: the machine does other work,
    too."""
    timer = timeit.Timer(function, timer=time.process_time)
    number, taken = timer.autorange()
    number = max(1, int(number * 0.1 / taken))
    return min(timer.repeat(9, number)) / number * 1e6


def compare(texts: list[str], bound: Authorizer) -> int:
    """How many decisions were tried; both must be the same."""
    last = len(texts) - 1
    asked = [
        (action, kind, f"{start}{number}/{rest}")
        for action, kind in (
            ("iot:Publish", "topic"),
            ("iot:Receive", "topic"),
            ("iot:Subscribe", "topicfilter"),
        )
        for start in ("fleet/", "")
        for number in (0, last, last + 1)
        for rest in (f"{NAME}/up", f"{NAME}/secret/x", "other/up", f"{SITE}/a", f"{SITE}/ab", "#")
    ]
    for action, kind, name in asked:
        ours, theirs = (
            bound.allows(action, kind, name),
            naive(texts, VARIABLES, action, f"{ARN}{kind}/{name}"),
        )
        assert ours == theirs, (action, name, ours, theirs)
    return len(asked)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policies", type=int, default=10)
    texts = [document(number) for number in range(parser.parse_args().policies)]

    def policies() -> list[NamedPolicy]:
        return [NamedPolicy(f"p{n}", "1", policy) for n, policy in enumerate(parsed)]

    parsed: list[Policy] = [parse_policy(text) for text in texts]
    named = policies()
    bound = authorizer(named)
    topic = f"fleet/{len(texts) - 1}/{NAME}/up"
    question = ("iot:Publish", "topic", topic)
    agreed = compare(texts, bound)
    rows = [
        ("kept from before", KEPT_ASKED, lambda: bound.allows(*question)),
        ("made anew, on a connection", NEW_ASKED, lambda: bound._decide(*question, {})),
        ("the first one of a new connection", NEW_ASKED, lambda: authorizer(named).allows(*question)),
        ("the same, with policies never used before", None, lambda: authorizer(policies()).allows(*question)),
        ("with its evidence, in words", None, lambda: bound.explain(*question)),
        ("naïve", None, lambda: naive(texts, VARIABLES, "iot:Publish", f"{ARN}topic/{topic}")),
    ]
    found = find_spec("sekisho.logic.policy")
    plain = found is None or (found.origin or "").endswith(".py")
    print(f"{'plain' if plain else 'compiled'}, Python {platform.python_version()}, {len(texts)} policies, "
          f"{agreed} decisions agree; load average {os.getloadavg()[0]:.1f}")  # fmt: skip
    for title, asked, function in rows:
        taken = microseconds(function)
        wanted = "" if asked is None else f"asked: < {asked:g}{'' if taken < asked else ': **short**'}"
        print(f"{title:<44}{taken:>10.2f} µs  {wanted}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
