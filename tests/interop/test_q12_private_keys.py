"""Q12: private keys cross the network only under TLS and only in the one response; then nobody has them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from api.making import ROLE
from interop.claiming import CREATE, body
from interop.devices import ANYTHING, Factory
from interop.packets import PUBACK, publish_packet
from nodes import running

TEMPLATE = "q12"


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request, tmp_path):
    """A node, and what there is to search on it: files, log, explain, and every table as text."""
    settings, server, database = ["log.level=debug"], None, ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        database = server.create_database()
        settings.append(f"database={server.url(database)}")

    def searched() -> dict[str, bytes]:
        found = {path.name: path.read_bytes() for path in node.data.rglob("*") if path.is_file()}
        found["log"] = node.log.encode()
        if server is not None:
            tables = server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)
            for table in tables.splitlines():
                found[table] = server.sql(f"SELECT t::text FROM {table} t", database).encode()
        explain = [
            sys.executable,
            "-c",
            "from sekisho.cli import main; main()",
            "explain",
            "--data",
            node.data,
        ]
        return found | {"explain": subprocess.run(explain, check=True, capture_output=True).stdout}

    with running(tmp_path / "node", *settings) as node:
        yield node, searched


def lines_of(pem: str) -> list[str]:
    return pem.splitlines()[1:-1]


def places_of(text: str, everything: dict[str, bytes]) -> list[str]:
    return [name for name, content in everything.items() if text.encode() in content]


def test_q12_no_session_keeps_a_key_for_later(home, tmp_path):
    """Two persistent sessions are subscribed to the topic of the answers, one connected, one away. The device
    gets its key and does not acknowledge it; the node dies (kill -9) and comes back. Neither session has the
    key, no answer comes again, and a search of everything that the node left behind finds nothing."""
    node, searched = home
    iot = node.client("iot")
    claim = Factory(node, iot, tmp_path)("claim", thing=False, statements=ANYTHING)
    iot.create_policy(policyName="made", policyDocument=json.dumps(POLICY))
    iot.create_provisioning_template(
        templateName=TEMPLATE, templateBody=body(), enabled=True, provisioningRoleArn=ROLE
    )
    trusted = iot.create_provisioning_claim(templateName=TEMPLATE)

    filters = ("$aws/certificates/create/json/accepted", "$aws/certificates/#")
    with claim.online("away", clean=False) as away:
        away.subscribe(*filters)
        away.disconnect()
    with claim.online("device", clean=False) as wire:
        wire.subscribe(*filters)
        wire.acknowledges = False
        assert wire.publish(CREATE) == 0
        made = json.loads(wire.message(20.0).payload)
        # A second request is under way when the node dies: its answer reaches nobody.
        wire.send(publish_packet(CREATE, b"", qos=1, packet_id=77))
        wire.take(PUBACK)
        node.kill()

    left = {path.name: path.read_bytes() for path in node.data.rglob("*") if path.is_file()}
    node.start()
    for client in ("device", "away"):
        back = claim.wire()
        answer = back.connect(client, 4, clean=False)
        assert (answer.code, answer.session_present) == (0, True)
        assert back.messages() == []
        # The session works: what is not a key's answer does come.
        back.subscribe("ordinary")
        assert back.publish("ordinary", b"is stored") == 0
        assert back.message().payload == b"is stored"
        back.close()

    secrets = lines_of(made["privateKey"]) + lines_of(trusted["keyPair"]["PrivateKey"])
    secrets.append(made["certificateOwnershipToken"])
    everything = {f"{name} at its death": content for name, content in left.items()} | searched()
    for secret in secrets:
        assert places_of(secret, everything) == []
    # The search can find what is there.
    assert places_of(made["certificateId"], everything)
    assert places_of(trusted["certificateId"], everything)


POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}],
}


def test_q12_a_claims_key_is_in_its_one_answer(home):
    """The trusted user's app gets the claim's key once, and no one can ask for it again."""
    node, searched = home
    iot = node.client("iot")
    iot.create_provisioning_template(
        templateName=TEMPLATE, templateBody=body(), enabled=True, provisioningRoleArn=ROLE
    )
    claim = iot.create_provisioning_claim(templateName=TEMPLATE)
    again = iot.create_provisioning_claim(templateName=TEMPLATE)
    assert claim["keyPair"] != again["keyPair"]
    everything = searched()
    for line in lines_of(claim["keyPair"]["PrivateKey"]):
        assert places_of(line, everything) == []
    assert places_of(claim["certificateId"], everything)
