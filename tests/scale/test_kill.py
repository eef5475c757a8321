"""kill -9 during concurrent writes, twenty times: what was acknowledged is there, nothing is half-made."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import random
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from cryptography import x509
from cryptography.x509.oid import NameOID

from api.making import arn, csr, document, listed, template, thing_resource
from nodes import Node

ROUNDS = 20
LEAST, MOST = 5, 60
"""How many writes a round acknowledges before the kill, which meets the others under way."""

TEMPLATE = template(
    {
        "thing": thing_resource(AttributePayload={"place": {"Ref": "Name"}}),
        "certificate": {
            "Type": "AWS::IoT::Certificate",
            "Properties": {"CertificateSigningRequest": {"Ref": "CSR"}},
        },
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Ref": "Policy"}}},
    },
    "Name",
    "CSR",
    "Policy",
)

HALF_MADE = {
    "an attached policy that does not exist": """
        SELECT count(*) FROM link
         WHERE kind = 'attached-policy'
           AND source NOT IN (SELECT id FROM resource WHERE kind = 'policy')""",
    "an attachment to a certificate that does not exist": """
        SELECT count(*) FROM link
         WHERE target NOT IN (SELECT 'arn:aws:iot:us-east-1:000000000000:cert/' || id
                                FROM resource WHERE kind = 'cert')""",
    "a certificate of a thing that does not exist": """
        SELECT count(*) FROM link
         WHERE kind = 'thing-principal'
           AND source NOT IN (SELECT id FROM resource WHERE kind = 'thing')""",
}


WITHOUT_ANSWER = {"attach_policy", "delete_thing", "update_thing"}


class CutOff(Exception):
    """Only a part of the answer came, which botocore takes for an empty one."""


def missing(call: Callable[..., Any], **members: str) -> bool:
    try:
        call(**members)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error
        return True
    return False


@dataclass
class Round:
    """One life of the node: what was asked of it, and what it acknowledged before it was killed.

    ``checks`` say what must hold afterwards, by what they are about: a later one replaces an earlier.
    """

    iot: Any
    number: int
    enough: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Event = field(default_factory=threading.Event)
    checks: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    wrong: list[BaseException] = field(default_factory=list)

    def write(self, method: str, **members: Any) -> Any:
        """The answer once it is acknowledged; the end of the worker when the node is gone."""
        answer = getattr(self.iot, method)(**members)
        if method not in WITHOUT_ANSWER and answer.keys() == {"ResponseMetadata"}:
            raise CutOff
        self.enough.release()
        return answer

    def work(self, job: Callable[[Round, str], None], name: str) -> None:
        try:
            for turn in itertools.count():
                job(self, f"r{self.number}-{name}-{turn}")
        except (HTTPClientError, EndpointConnectionError, CutOff):
            pass  # killed: what was under way may have happened or not
        except BaseException as error:
            self.wrong.append(error)
        finally:
            self.over.set()
            self.enough.release(MOST)


# --- what the workers do; each check is made after the node has started again ---


def create_and_delete_things(round: Round, name: str) -> None:
    attributes = {"attributes": {"a": name}}
    made = round.write("create_thing", thingName=name, attributePayload=attributes)

    def kept(iot: Any) -> None:
        found = iot.describe_thing(thingName=name)
        assert (found["thingId"], found["attributes"]) == (made["thingId"], {"a": name})

    round.checks[name] = kept
    if name.endswith("0"):
        del round.checks[name]  # from now on it may be gone
        round.write("delete_thing", thingName=name)

        def gone(iot: Any) -> None:
            assert missing(iot.describe_thing, thingName=name)

        round.checks[name] = gone


def update_one_thing(round: Round, name: str) -> None:
    thing, _, turn = name.rpartition("-")
    if turn == "0":
        round.write("create_thing", thingName=thing)
        return

    def kept(iot: Any) -> None:
        found = iot.describe_thing(thingName=thing)
        # One more than was acknowledged may have been written, never one less, and each exactly once.
        assert int(found["attributes"]["turn"]) in (int(turn), int(turn) + 1)
        assert found["version"] == int(found["attributes"]["turn"]) + 1

    round.write("update_thing", thingName=thing, attributePayload={"attributes": {"turn": turn}})
    round.checks[thing] = kept


def certificates_and_policies(round: Round, name: str) -> None:
    made = round.write("create_certificate_from_csr", certificateSigningRequest=csr(name), setAsActive=True)

    def issued(iot: Any) -> None:
        found = iot.describe_certificate(certificateId=made["certificateId"])["certificateDescription"]
        assert found["certificatePem"] == made["certificatePem"]

    round.checks[f"{name} issued"] = issued
    round.write("create_policy", policyName=name, policyDocument=document(name))

    def written(iot: Any) -> None:
        assert iot.get_policy(policyName=name)["policyDocument"] == document(name)

    round.checks[f"{name} written"] = written
    round.write("attach_policy", policyName=name, target=made["certificateArn"])

    def attached(iot: Any) -> None:
        assert iot.list_targets_for_policy(policyName=name)["targets"] == [made["certificateArn"]]

    round.checks[f"{name} attached"] = attached


def register(round: Round, name: str) -> None:
    round.asked.add(name)
    parameters = {"Name": name, "CSR": csr(name), "Policy": document(name)}
    round.write("register_thing", templateBody=TEMPLATE, parameters=parameters)
    round.registered.add(name)


JOBS = (create_and_delete_things, update_one_thing, certificates_and_policies, register, register)


# --- what is looked at afterwards ---


def is_whole(iot: Any, name: str, certificates: set[str]) -> bool:
    """Whether a registration is there; each of its pieces must say the same."""
    policy = hashlib.sha1(document(name).encode()).hexdigest().upper()
    if missing(iot.describe_thing, thingName=name):
        assert missing(iot.get_policy, policyName=policy), f"{name}: a policy without a thing"
        assert name not in certificates, f"{name}: a certificate without a thing"
        return False
    assert iot.describe_thing(thingName=name)["attributes"] == {"place": name}
    (principal,) = iot.list_thing_principals(thingName=name)["principals"]
    id = principal.rpartition("/")[2]
    found = iot.describe_certificate(certificateId=id)["certificateDescription"]
    assert found["status"] == "ACTIVE"
    assert name in certificates
    attached = iot.list_attached_policies(target=principal)["policies"]
    assert attached == [{"policyName": policy, "policyArn": arn(f"policy/{policy}")}]
    assert iot.get_policy(policyName=policy)["policyDocument"] == document(name)
    return True


def names_on_certificates(iot: Any, known: dict[str, str]) -> set[str]:
    """The common names of all certificates; ``known`` remembers those that were looked at."""
    for one in listed(iot, "list_certificates", "certificates", PaginationConfig={"PageSize": 250}):
        id = one["certificateId"]
        if id not in known:
            pem = iot.describe_certificate(certificateId=id)["certificateDescription"]["certificatePem"]
            subject = x509.load_pem_x509_certificate(pem.encode()).subject
            known[id] = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    names = list(known.values())
    assert len(names) == len(set(names)), "one request was carried out twice"
    return set(names)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_kill_during_writes(tmp_path, request, database):
    if database == "sqlite":
        settings = []

        def sql(text: str) -> str:
            with contextlib.closing(sqlite3.connect(tmp_path / "node" / "sekisho.db")) as connection:
                return str(connection.execute(text).fetchone()[0])
    else:
        server = request.getfixturevalue("postgres_server")
        name = server.create_database()
        settings = [f"database={server.url(name)}"]

        def sql(text: str) -> str:
            return server.sql(text, name)

    dice = random.Random(2026)
    node = Node(tmp_path / "node", tuple(settings))
    past: list[Round] = []
    whole: set[str] = set()
    common_names: dict[str, str] = {}
    try:
        node.start()
        for number in range(ROUNDS):
            round = Round(node.client("iot", tls=False), number)
            workers = [
                threading.Thread(target=round.work, args=(job, f"w{index}")) for index, job in enumerate(JOBS)
            ]
            for worker in workers:
                worker.start()
            for _ in range(dice.randint(LEAST, MOST)):
                round.enough.acquire()
            ended_before = round.over.is_set()
            node.kill()
            for worker in workers:
                worker.join()
            assert not round.wrong and not ended_before, (round.wrong, node.log)

            node.start()
            iot = node.client("iot", tls=False)
            for check in round.checks.values():
                check(iot)
            certificates = names_on_certificates(iot, common_names)
            there = {name for name in round.asked if is_whole(iot, name, certificates)}
            assert round.registered <= there
            whole |= there
            past.append(round)

        iot = node.client("iot", tls=False)
        for check in [check for round in past for check in round.checks.values()]:
            check(iot)
        assert sum(len(round.checks) + len(round.registered) for round in past) > ROUNDS * LEAST / 2
        for what, query in HALF_MADE.items():
            assert sql(query) == "0", what
        # The line of who did what was written with what was done.
        audited = "SELECT count(*) FROM audit WHERE operation = 'RegisterThing' AND outcome = 'Success'"
        assert sql(audited) == str(len(whole))
        assert json.loads((node.data / "endpoints.json").read_text())["pid"] == node.process.pid
        assert node.stop() == 0
    finally:
        node.kill()
