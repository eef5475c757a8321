"""Certificates that two devices use at once are found from the connections, page by page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from api.making import listed, refused
from interop.devices import ANYTHING
from sekisho.cli import papers
from sekisho.cli.commands import app


@pytest.fixture
def shared(factory):
    """A certificate that has been used under two client ids at once."""
    device = factory("shared", statements=ANYTHING)
    with device.online(f"{device.name}-a"), device.online(f"{device.name}-b", 5):
        pass
    return device


def test_both_connections_are_shown(own, shared):
    [found] = own.list_shared_certificates(certificateId=shared.certificate_id)["sharedCertificates"]
    first, second = found["first"], found["second"]
    assert found["ways"] == ["CLIENTS"]
    assert found["clientIds"] == [f"{shared.name}-a", f"{shared.name}-b"]
    assert found["sourceIps"] == ["127.0.0.1"]
    assert (found["occurrences"], found["examinedConnections"], found["olderLeftOut"]) == (1, 2, False)
    assert (first["clientId"], second["clientId"]) == tuple(found["clientIds"])
    assert first["connectedAt"] <= second["connectedAt"] <= first["disconnectedAt"]
    rows = own.list_connections(certificateId=shared.certificate_id)["connections"]
    assert [row["connectionId"] for row in rows] == [second["connectionId"], first["connectionId"]]


def test_one_device_that_reconnects_is_not(own, factory):
    device = factory("faithful", statements=ANYTHING)
    for version in (4, 5, 4):
        with device.online(version=version) as wire:
            wire.disconnect()
    with device.online(), device.online():  # taken over by itself
        pass
    assert own.list_shared_certificates(certificateId=device.certificate_id)["sharedCertificates"] == []


def test_every_certificate_is_on_one_page(own, shared):
    everywhere = listed(own, "list_shared_certificates", "sharedCertificates")
    one_by_one = listed(
        own, "list_shared_certificates", "sharedCertificates", PaginationConfig={"PageSize": 1}
    )
    ids = [item["certificateId"] for item in everywhere]
    assert shared.certificate_id in ids
    assert ids == sorted(set(ids), reverse=True)
    assert [item["certificateId"] for item in one_by_one] == ids


def test_only_a_period(own, shared):
    about = {"certificateId": shared.certificate_id}
    now = own.describe_clock()["now"]
    later = {"since": now + timedelta(minutes=1)}
    earlier = {"until": now - timedelta(hours=1)}
    within = {"since": now - timedelta(hours=1), "until": now + timedelta(minutes=1)}
    for period, count in ((later, 0), (earlier, 0), (within, 1)):
        assert len(own.list_shared_certificates(**about, **period)["sharedCertificates"]) == count


def test_a_token_of_nobodys(own):
    with refused("InvalidRequestException", 400, "token"):
        own.list_shared_certificates(nextToken="?")


def test_the_command(node, own, shared):
    def run(*arguments: str):
        return CliRunner().invoke(papers.app, ["shared-certificates", "--data", str(node.data), *arguments])

    answer = run("--certificate", shared.certificate_id, "--hours", "1")
    assert answer.exit_code == 3  # for scripts
    assert f"certificate {shared.certificate_id}: CLIENTS" in answer.stdout
    assert f"{shared.name}-b from 127.0.0.1" in answer.stdout
    answer = run("--certificate", "0" * 64)
    assert (answer.exit_code, answer.stdout) == (0, "No certificate was used by two devices.\n")
    assert app is papers.app
