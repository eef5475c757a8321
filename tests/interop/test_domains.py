"""Domains of one's own, by SNI: their certificates, versions of TLS, and changes that need no restart."""

from __future__ import annotations

import queue
import socket
import ssl
import subprocess

import pytest
from awscrt import http, mqtt5
from awsiot import mqtt5_client_builder

from interop.accounts import refused
from interop.devices import ANYTHING, Factory, allow, until
from interop.domains import Operator, certificates_in, code, s_client, served
from interop.domains import device as device
from interop.domains import domain as domain
from interop.domains import operator as operator
from interop.domains import who as who
from interop.proxy import proxy
from interop.wire import Wire, tls_context
from nodes import running
from sekisho.logic.endpoints import host_name

OTHER = "111111111111"
HERE, THERE = "us-east-1", "eu-west-1"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with running(tmp_path_factory.mktemp("domains") / "node", f"regions={HERE},{THERE}") as node:
        yield node


@pytest.fixture(scope="module")
def standing(operator):
    """One that the tests leave as it is."""
    return operator.domain()


def connected(wire, client_id):
    assert wire.connect(client_id).code == 0
    return wire


def test_openssl_is_shown_the_certificate_and_its_chain(node, operator, standing):
    told = s_client(node, standing.host, "-CAfile", operator.ca, "-verify_hostname", standing.host)
    assert "Verify return code: 0 (ok)" in told
    assert certificates_in(told)[:2] == [standing.papers.pem, operator.authority.pem]


@pytest.mark.parametrize("name", ["localhost", "elsewhere.example.com"])
def test_all_other_names_have_the_nodes_own(node, standing, name):
    assert "OU=Sekisho" in s_client(node, name).replace(" ", "")
    assert served(node, name) != standing.papers.pem


def test_the_name_is_among_those_for_etc_hosts(node, standing):
    def named():
        (line,) = [line for line in node.command("hosts").splitlines() if standing.host in line.split()]
        return line.startswith("127.0.0.1 ")

    until(named)
    assert f"{HERE:<16}{standing.name:<24}{standing.host}" in node.command("account", "list")


def test_mosquitto_comes_by_the_name(node, operator, standing, who, name):
    with proxy(node.mqtt) as (address, port), connected(who.wire(), f"{name}-hears") as hears:
        hears.subscribe(name)
        command = ["mosquitto_pub", "-h", standing.host, "-p", "8883", "-t", name, "-m", "hello", "-q", "1"]
        command += ["--cafile", operator.ca, "--cert", str(who.certificate), "--key", str(who.key)]
        command += ["--proxy", f"socks5h://{address}:{port}", "-i", name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert hears.message().payload == b"hello"


def test_the_device_sdk_comes_by_the_name(node, operator, standing, who, name):
    with proxy(node.mqtt) as (address, port):
        connacks, stopped = queue.Queue(), queue.Queue()
        client = mqtt5_client_builder.mtls_from_path(
            cert_filepath=str(who.certificate),
            pri_key_filepath=str(who.key),
            endpoint=standing.host,
            port=8883,
            ca_filepath=operator.ca,
            http_proxy_options=http.HttpProxyOptions(
                address, port, connection_type=http.HttpProxyConnectionType.Tunneling
            ),
            connect_options=mqtt5.ConnectPacket(client_id=name),
            on_lifecycle_connection_success=lambda data: connacks.put(data),
            on_lifecycle_stopped=lambda data: stopped.put(data),
        )
        client.start()
        assert connacks.get(timeout=15).connack_packet.reason_code == 0
        client.stop()
        stopped.get(timeout=15)


OLD, UNLISTED = "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"
"""Cipher suites of TLS 1.2: one of the policies' list, and one that is in none."""


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("TLS13_1_3_2022_10", {"1.3"}),
        ("TLS13_1_2_2022_10", {"1.2", "1.3"}),
        ("TLS12_1_2_2022_10", {"1.2"}),
        ("TLS12_1_0_2016_01", {"1.2"}),
        ("TLS12_1_0_2015_01", {"1.2"}),
    ],
)
def test_a_security_policy_says_which_versions_there_are(node, domain, policy, versions):
    """Also to a client that would take either."""
    domain.change(tlsConfig={"securityPolicy": f"IoTSecurityPolicy_{policy}"})
    newest = f"New, TLSv{max(versions)}"
    until(lambda: newest in s_client(node, domain.host))
    for version in ("1.2", "1.3"):
        told = s_client(node, domain.host, f"-tls{version.replace('.', '_')}")
        agreed = f"New, TLSv{version}, Cipher is" in told
        assert (agreed, "alert protocol version" in told) == (version in versions, version not in versions)
    if "1.2" in versions:
        assert f"Cipher is {OLD}" in s_client(node, domain.host, "-tls1_2", "-cipher", OLD)
        assert "handshake failure" in s_client(node, domain.host, "-tls1_2", "-cipher", UNLISTED)


def test_the_policy_of_the_default_endpoint_is_of_its_full_name(node, operator):
    full = host_name("000000000000", HERE, "iot:Data-ATS", "sekisho.localhost")

    def set_policy(name):
        operator.iot.update_domain_configuration(
            domainConfigurationName="iot:Data-ATS", tlsConfig={"securityPolicy": f"IoTSecurityPolicy_{name}"}
        )

    set_policy("TLS13_1_3_2022_10")
    try:
        for name in (full, "localhost"):
            until(lambda name=name: "alert protocol version" in s_client(node, name, "-tls1_2"))
        there = host_name("000000000000", THERE, "iot:Data-ATS", "sekisho.localhost")
        assert "Cipher is ECDHE" in s_client(node, there, "-tls1_2")
    finally:
        set_policy("TLS13_1_2_2022_10")
    until(lambda: "Cipher is ECDHE" in s_client(node, full, "-tls1_2"))


def test_a_certificate_that_is_imported_again_is_served_and_nobody_is_cut(node, domain, who, name):
    with connected(domain.wire(who), name) as wire:
        new = domain.bring()
        until(lambda: served(node, domain.host) == new.pem)
        wire.ping()
        with connected(domain.wire(who), f"{name}-new"):
            pass
        wire.ping()


def test_while_the_new_one_is_wrong_the_old_one_is_served(node, domain):
    domain.bring("other.example.com")
    domain.operator.domain().delete()  # a change after it
    assert served(node, domain.host) == domain.papers.pem
    new = domain.bring()
    until(lambda: served(node, domain.host) == new.pem)


def test_a_domain_that_is_disabled_refuses_and_says_so(node, domain, who, name):
    with connected(domain.wire(who), f"{name}-stays") as stays:
        domain.change(domainConfigurationStatus="DISABLED")

        until(lambda: code(domain, name, who) is None)
        (found,) = node.client("sekisho").list_refusals(clientId=name, maxResults=1)["refusals"]
        assert "DOMAIN_CONFIGURATION_DISABLED" in found["reason"] and "is DISABLED" in found["reason"]
        stays.ping()
        domain.change(domainConfigurationStatus="ENABLED")
        until(lambda: code(domain, name, who) is not None)
        stays.ping()


def test_a_domain_that_is_deleted_is_served_no_more(node, operator):
    domain = operator.domain()
    domain.delete()
    until(lambda: "OU=Sekisho" in s_client(node, domain.host).replace(" ", ""))


def test_policies_know_the_name(node, device, standing, domain, name):
    condition = {"StringEquals": {"iot:DomainName": standing.host}}
    who = device("named", statements=[allow("Connect", "*", Condition=condition)])
    with connected(standing.wire(who), name):
        pass
    refused(domain.wire(who), name)


def test_a_name_leads_to_its_account_and_region(node, tmp_path, name):
    node.command("account", "create", OTHER)
    there = Operator(node, tmp_path, account=OTHER, region_name=THERE)
    domain = there.domain()
    who = Factory(node, there.iot, tmp_path)("elsewhere", statements=[])
    target = who.arn
    there.iot.create_policy(
        policyName="all",
        policyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}',
    )
    there.iot.attach_policy(policyName="all", target=target)
    until(lambda: served(node, domain.host) == domain.papers.pem)
    with connected(domain.wire(who), name):
        pass
    refused(Wire(node.mqtt, node.ca, who.identity), name)


def test_a_client_that_says_its_name_slowly_is_heard(node, operator, standing):
    context = tls_context(operator.ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=standing.host)
    with socket.create_connection(node.mqtt, timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        done = False
        while not done:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                hello = outgoing.read()
                for at in range(0, len(hello), 50):
                    sock.sendall(hello[at : at + 50])
                incoming.write(sock.recv(65536))
        assert tls.getpeercert()["subjectAltName"] == (("DNS", standing.host),)


@pytest.mark.parametrize(
    "first",
    [b"\x16", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(20)],
)
def test_whoever_says_something_else_first_takes_nothing_from_others(node, standing, who, name, first):
    with socket.create_connection(node.mqtt, timeout=10) as sock:
        sock.sendall(first)
        with connected(standing.wire(who), name) as wire:
            wire.ping()


def test_what_is_served_outlives_the_node(tmp_path, name):
    """Also the last right one, while the one in ACM is wrong."""
    with running(tmp_path / "node") as node:
        operator = Operator(node, tmp_path)
        one, two = operator.domain(), operator.domain()
        two.bring("other.example.com")
        node.kill()
        node.start()
        assert served(node, one.host) == one.papers.pem
        assert served(node, two.host) == two.papers.pem


def test_all_nodes_of_a_database_hear_of_it(postgres_server, tmp_path, name):
    database = postgres_server.create_database()
    keyring = tmp_path / "one" / "keyring.json"
    settings = (f"database={postgres_server.url(database)}", f"keyring=file:{keyring}")
    with running(tmp_path / "one", *settings) as one, running(tmp_path / "two", *settings) as two:
        operator = Operator(one, tmp_path)
        domain = operator.domain()
        until(lambda: served(two, domain.host) == domain.papers.pem)
        new = domain.bring()
        until(lambda: served(two, domain.host) == new.pem)
        who = Factory(one, operator.iot, tmp_path)("anything", statements=ANYTHING)
        domain.change(domainConfigurationStatus="DISABLED")
        until(lambda: code(domain, name, who, at=two.mqtt) != 0)
