"""What operators see of the broker: connections, sessions, counters; and the metrics."""

from __future__ import annotations

import sqlite3
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from interop.devices import ANYTHING, Factory, allow, until
from nodes import running
from sekisho.services.live import COUNTERS

SETTINGS = ("log.level=info", "mqtt.enforce_limits=false")


@pytest.fixture
def device(factory):
    """A device of the test's own, with a thing of its own name."""
    return factory(statements=ANYTHING)


def connections(own, **wanted):
    pages = own.get_paginator("list_connections").paginate(**wanted)
    return [one for page in pages for one in page["connections"]]


# --- connections --------------------------------------------------------------------------------------------


def test_a_connection_while_it_lasts_and_after(own, device):
    with device.online(version=5) as wire:
        [shown] = own.list_connections(clientId=device.name)["connections"]
        connected_at = shown["connectedAt"]
        assert shown == {
            "connectionId": shown["connectionId"],
            "sessionIdentifier": shown["connectionId"].partition("-")[2],
            "clientId": device.name,
            "certificateId": device.certificate_id,
            "thingName": device.name,
            "sourceIp": "127.0.0.1",
            "sourcePort": wire.sock.getsockname()[1],
            "protocolVersion": "5",
            "cleanSession": True,
            "live": True,
            "connectedAt": connected_at,
        }
        assert connections(own, clientId=device.name, live=True) == [shown]
        wire.disconnect()
    [ended] = own.list_connections(clientId=device.name)["connections"]
    assert ended["disconnectedAt"] - connected_at < timedelta(minutes=1)
    del ended["disconnectedAt"]
    assert ended == shown | {"live": False, "disconnectReason": "CLIENT_INITIATED_DISCONNECT"}
    assert connections(own, clientId=device.name, live=True) == []


def test_connections_are_found_by_client_and_certificate_newest_first(own, factory):
    one, two = factory(statements=ANYTHING), factory(statements=ANYTHING)
    wires = [one.online("first"), one.online("second", 5), two.online("third")]
    try:
        by_certificate = connections(own, certificateId=one.certificate_id)
        assert [c["clientId"] for c in by_certificate] == ["second", "first"]
        assert [c["protocolVersion"] for c in by_certificate] == ["5", "3.1.1"]
        assert connections(own, certificateId=two.certificate_id, clientId="first") == []
        mine = {one.certificate_id, two.certificate_id}
        for size in (1, 2, 250):
            found = connections(own, live=True, PaginationConfig={"PageSize": size})
            assert [c["clientId"] for c in found if c["certificateId"] in mine] == [
                "third",
                "second",
                "first",
            ]
    finally:
        for wire in wires:
            wire.close()


@pytest.mark.parametrize("how", ["lost", "taken over", "protocol error"])
def test_why_connections_end(own, device, how):
    with device.online() as wire:
        if how == "lost":
            wire.close()
            reason = "CONNECTION_LOST"
        elif how == "taken over":
            device.online().close()
            reason = "DUPLICATE_CLIENTID"
        else:
            wire.send(b"\xf0\x00")
            reason = "CLIENT_ERROR"
        reasons = until(
            lambda: [c["disconnectReason"] for c in connections(own, clientId=device.name) if not c["live"]]
        )
    assert reason in reasons


def test_who_was_refused_was_not_connected(own, factory):
    device = factory(statements=[allow("Connect", "client/other")])
    with device.wire() as wire:
        wire.version = 5
        assert wire.connect(device.name, 5).code != 0
    assert connections(own, clientId=device.name) == []
    assert own.list_refusals(clientId=device.name)["refusals"]


@pytest.mark.parametrize("operation", ["list_connections", "list_sessions", "list_shared_subscriptions"])
def test_a_page_token_that_is_none(own, operation):
    with pytest.raises(ClientError) as caught:
        getattr(own, operation)(nextToken="§")
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


def test_a_killed_node_ends_what_it_left(tmp_path: Path):
    with running(tmp_path / "node", *SETTINGS) as node:
        device = Factory(node, node.client("iot"), tmp_path)(statements=ANYTHING)
        with device.online():
            [before] = connections(node.client("sekisho"))
            node.kill()
        node.start()
        [after] = connections(node.client("sekisho"))
        assert (before["live"], after["live"], after["disconnectReason"]) == (True, False, "UNKNOWN")
        assert after["connectionId"] == before["connectionId"]
        own = node.client("sekisho")
        assert own.describe_broker()["connections"] == 0
        assert own.list_sessions()["sessions"] == []


def test_a_stopped_node_says_why_and_writes_it(tmp_path: Path):
    with running(tmp_path / "node", *SETTINGS) as node:
        device = Factory(node, node.client("iot"), tmp_path)(statements=ANYTHING)
        with device.online():
            assert node.stop() == 0
        with closing(sqlite3.connect(tmp_path / "node" / "sekisho.db")) as database:
            rows = database.execute("SELECT client_id, reason, disconnected > 0 FROM connection").fetchall()
        assert rows == [(device.name, "SERVER_INITIATED_DISCONNECT", 1)]


def test_connections_are_kept_for_31_days_and_not_more_than_the_setting(tmp_path: Path):
    with running(tmp_path / "node", *SETTINGS, "connections.keep=2") as node:
        own = node.client("sekisho")
        device = Factory(node, node.client("iot"), tmp_path)(statements=ANYTHING)
        with device.online("stays"):
            for client_id in "abc":
                with device.online(client_id) as wire:
                    wire.disconnect()
            assert [c["clientId"] for c in connections(own)] == ["c", "b", "a", "stays"]
            # Turning the clock has every periodic task done at once.
            own.set_clock(advanceSeconds=1)
            until(lambda: [c["clientId"] for c in connections(own)] == ["c", "b", "stays"])
            own.set_clock(advanceSeconds=31 * 86400 + 1)
            until(lambda: [c["clientId"] for c in connections(own)] == ["stays"])


# --- sessions -----------------------------------------------------------------------------------------------


def session(own, client_id):
    pages = own.get_paginator("list_sessions").paginate()
    found = [one for page in pages for one in page["sessions"] if one["clientId"] == client_id]
    return found[0] if found else None


def test_a_session_with_its_queue(own, data, device):
    topic = f"queue/{device.name}"
    with device.online(version=5, clean=False, properties=b"\x11\x00\x00\x00\x64") as wire:
        wire.subscribe(f"{topic}/#", "other")
        assert session(own, device.name) == {
            "clientId": device.name,
            "protocolVersion": "5",
            "connected": True,
            "sessionExpiry": 100,
            "subscriptionCount": 2,
            "queueLength": 0,
            "queueLimit": 100_000,
            "firstMessages": [],
        }
        wire.disconnect()
    until(lambda: not session(own, device.name)["connected"])
    for number in range(7):
        data.publish(topic=f"{topic}/{number}", payload=b"x" * number, qos=1)
    data.publish(topic=f"{topic}/0", payload=b"not kept", qos=0)
    shown = session(own, device.name)
    assert (shown["queueLength"], shown["sessionExpiry"]) == (7, 100)
    ends_in = shown["endsAt"] - shown["firstMessages"][0]["publishedAt"]
    assert timedelta(seconds=60) < ends_in <= timedelta(seconds=101)
    assert [(one["topic"], one["payloadSize"], one["payload"]) for one in shown["firstMessages"]] == [
        (f"{topic}/{number}", number, b"x" * number) for number in range(5)
    ]
    assert {one["qos"] for one in shown["firstMessages"]} == {1}
    ids = [int(one["messageId"]) for one in shown["firstMessages"]]
    assert ids == sorted(set(ids))
    with device.online(version=5, clean=False, properties=b"\x11\x00\x00\x00\x64") as wire:
        assert [wire.message().payload for _ in range(7)] == [b"x" * number for number in range(7)]
        wire.ping()
        until(lambda: session(own, device.name)["queueLength"] == 0)
    data.delete_connection(clientId=device.name, cleanSession=True)
    assert session(own, device.name) is None


def test_a_queued_message_with_all_that_is_shown_of_it(own, data, device):
    topic = f"shown/{device.name}"
    with device.online(clean=False) as wire:
        wire.subscribe(f"{topic}/#")
        wire.disconnect()
    data.publish(topic=f"{topic}/large", payload=bytes(range(256)) * 5, qos=1, messageExpiry=1000)
    with device.online(f"{device.name}-writer") as wire:
        wire.publish(f"{topic}/empty", b"")
    large, empty = session(own, device.name)["firstMessages"]
    assert large == {
        "messageId": large["messageId"],
        "topic": f"{topic}/large",
        "qos": 1,
        "payloadSize": 1280,
        "payload": bytes(range(256)) * 4,  # the beginning
        "publishedAt": large["publishedAt"],
        "expiresAt": large["publishedAt"] + timedelta(seconds=1000),
    }
    assert empty == {
        "messageId": empty["messageId"],
        "topic": f"{topic}/empty",
        "qos": 1,
        "payloadSize": 0,
        "payload": b"",
        "publisher": f"{device.name}-writer",
        "publishedAt": empty["publishedAt"],
    }
    data.delete_connection(clientId=device.name, cleanSession=True)


def test_one_session_is_found_by_its_client_id(own, device):
    names = [f"{device.name}-a", f"{device.name}-b"]
    for name in names:
        with device.online(name, clean=False) as wire:
            wire.disconnect()
    [shown] = own.list_sessions(clientId=names[0])["sessions"]
    assert shown["clientId"] == names[0]
    assert own.list_sessions(clientId=device.name)["sessions"] == []


def test_sessions_are_listed_by_client_id_in_pages(own, factory):
    device = factory(statements=ANYTHING)
    names = [f"{device.name}-{letter}" for letter in "abcde"]
    for name in reversed(names):
        with device.online(name, clean=False) as wire:
            wire.disconnect()
    for size in (1, 2, 250):
        pages = own.get_paginator("list_sessions").paginate(PaginationConfig={"PageSize": size})
        found = [one["clientId"] for page in pages for one in page["sessions"]]
        assert [name for name in found if name in names] == names


# --- shared subscriptions ----------------------------------------------------------------------------------


def shared(own, device, **page):
    pages = own.get_paginator("list_shared_subscriptions").paginate(PaginationConfig=page)
    found = [one for page in pages for one in page["sharedSubscriptions"]]
    return {one.pop("topicFilter"): one for one in found if device.name in one["topicFilter"]}


def test_shared_subscriptions_with_what_waits_for_them(own, data, device):
    kept, passing = f"$share/kept/{device.name}/+", f"$share/passing/{device.name}/+"
    with device.online(clean=False) as member, device.online(f"{device.name}-2") as other:
        member.subscribe(kept)
        other.subscribe(kept, passing)
        empty = {"queueLength": 0, "queueLimit": 500_000, "firstMessages": []}
        with_both = {
            kept: {"memberCount": 2, "connectedCount": 2, "queues": True, **empty},
            passing: {"memberCount": 1, "connectedCount": 1, "queues": False, **empty},
        }
        for size in (1, 2, 250):
            assert shared(own, device, PageSize=size) == with_both
        other.disconnect()
        until(lambda: kept in shared(own, device) and passing not in shared(own, device))
        member.disconnect()
    until(lambda: shared(own, device)[kept]["connectedCount"] == 0)
    for number in range(7):
        data.publish(topic=f"{device.name}/{number}", payload=b"x", qos=1)
    found = shared(own, device)[kept]
    assert (found["memberCount"], found["queueLength"]) == (1, 7)
    assert [one["topic"] for one in found["firstMessages"]] == [f"{device.name}/{n}" for n in range(5)]
    data.delete_connection(clientId=device.name, cleanSession=True)
    shown = own.list_shared_subscriptions()["sharedSubscriptions"]
    assert not [one for one in shown if device.name in one["topicFilter"]]


# --- counters -----------------------------------------------------------------------------------------------


def counters(own):
    shown = own.describe_broker()
    del shown["ResponseMetadata"]
    return shown


def test_what_the_broker_counts(own, data, device):
    before = counters(own)
    assert set(before) == {counter.name for counter in COUNTERS}
    # Ids with + have no lifecycle events, which would be published, too.
    here, away = f"{device.name}+1", f"{device.name}+2"
    with device.online(here) as wire, device.online(away, clean=False) as other:
        wire.subscribe("count/a", "count/b")
        other.subscribe("count/c")
        other.disconnect()
        until(lambda: counters(own)["connections"] == before["connections"] + 1)
        for qos in (0, 1):
            data.publish(topic="count/a", payload=b"x", qos=qos)
            wire.message()
        data.publish(topic="count/nobody", payload=b"x")
        wire.subscribe("a/b#")
        after = counters(own)
    changed = {name: after[name] - before[name] for name in after}
    assert changed == {
        "connections": 1,
        "sessions": 1,
        "subscriptions": 3,
        "shared_subscriptions": 0,
        "retained": 0,
        "queued": 0,
        "queued_bytes": 0,
        "accepted": 2,
        "unopened": 0,
        "published": 3,
        "delivered": 2,
        "dropped": 0,
        "overflowed": 0,
        "throttled": 0,
        "refused": 1,
    }
    # What a connection was sent stays counted when it has gone.
    until(lambda: counters(own)["connections"] == before["connections"])
    assert counters(own)["delivered"] == after["delivered"]


def scraped(node):
    url = f"http://{node.endpoints['api']}/_sekisho/metrics"
    with urllib.request.urlopen(url) as response:
        assert response.headers["content-type"].startswith("text/plain; version=")
        return response.read().decode()


def test_the_counters_as_metrics(node, own, device):
    with device.online():
        lines = scraped(node).splitlines()
        values = counters(own)
    for counter in COUNTERS:
        name = f"sekisho_{counter.name}"
        sample = name + ("_total" if counter.grows else "")
        assert f"# TYPE {sample} {'counter' if counter.grows else 'gauge'}" in lines
        assert f"{sample} {float(values[counter.name])}" in lines


def test_metrics_are_on_the_loopback_port_only(node):
    context = ssl.create_default_context(cafile=node.ca)
    url = f"https://{node.endpoints['https']}/_sekisho/metrics"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, context=context)
    assert caught.value.code == 404
    with caught.value as response:
        assert b"sekisho_" not in response.read()
    with urllib.request.urlopen(url.replace("metrics", "health"), context=context) as response:
        assert response.status == 200
