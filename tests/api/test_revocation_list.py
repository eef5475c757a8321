"""The revocation list of the node's CA: numbered, signed, as OpenSSL reads it."""

from __future__ import annotations

import json
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from api.making import certificate
from interop.devices import until
from nodes import running
from sekisho.config import ConfigError, load_config
from sekisho.logic.certificates import certificate_id

WEEK = timedelta(days=7)


def fetch(node, name: str = "ca", *, tls: bool = False) -> bytes:
    if tls:
        context = ssl.create_default_context(cafile=node.ca)
        url = f"https://{node.endpoints['https']}/_sekisho/crl/{name}.crl"
        with urllib.request.urlopen(url, context=context) as answer:
            return answer.read()
    with urllib.request.urlopen(f"http://{node.endpoints['api']}/_sekisho/crl/{name}.crl") as answer:
        assert answer.headers["content-type"] == "application/pkix-crl"
        return answer.read()


def number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def current(node) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(fetch(node))


def listed(node, pem: str) -> bool:
    serial = x509.load_pem_x509_certificate(pem.encode()).serial_number
    return current(node).get_revoked_certificate_by_serial_number(serial) is not None


def revoke(iot, made) -> None:
    iot.update_certificate(certificateId=made.id, newStatus="REVOKED")


def openssl(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_what_is_revoked_is_listed_and_stays_when_it_is_deleted(node, iot):
    revoked, inactive, active = (certificate(iot) for _ in range(3))
    before = number(current(node))
    iot.update_certificate(certificateId=inactive.id, newStatus="INACTIVE")
    revoke(iot, revoked)
    until(lambda: listed(node, revoked.pem))
    assert number(current(node)) == before + 1
    assert not listed(node, inactive.pem)
    assert not listed(node, active.pem)
    iot.delete_certificate(certificateId=revoked.id)
    assert listed(node, revoked.pem)


def test_it_is_signed_by_the_ca_and_made_only_when_something_has_changed(node):
    ca = x509.load_pem_x509_certificate(Path(node.ca).read_bytes())
    found = current(node)
    assert found.issuer == ca.subject
    assert found.is_signature_valid(ca.public_key())
    assert found.next_update_utc - found.last_update_utc == WEEK
    assert fetch(node) == fetch(node) == fetch(node, tls=True)


def test_openssl_verifies_with_it(node, iot, tmp_path):
    good, bad = certificate(iot), certificate(iot)
    revoke(iot, bad)
    until(lambda: listed(node, bad.pem))
    crl = tmp_path / "ca.crl"
    crl.write_bytes(fetch(node))
    code, text = openssl("crl", "-inform", "DER", "-in", str(crl), "-CAfile", node.ca, "-verify", "-noout")
    assert (code, "verify OK" in text) == (0, True), text
    assert openssl("crl", "-inform", "DER", "-in", str(crl), "-out", str(tmp_path / "ca.crl.pem"))[0] == 0
    for made, accepted in ((good, True), (bad, False)):
        file = tmp_path / made.id
        file.write_text(made.pem)
        code, text = openssl(
            "verify", "-crl_check", "-CAfile", node.ca, "-CRLfile", str(tmp_path / "ca.crl.pem"), str(file)
        )
        assert (code == 0) is accepted, text
        assert ("certificate revoked" in text) is not accepted


def test_there_is_a_new_one_before_its_life_is_over(node, turned):
    before = current(node)
    turned.set_clock(advanceSeconds=4 * 86400)
    after = current(node)
    assert number(after) == number(before) + 1
    assert after.last_update_utc > before.last_update_utc
    assert after.next_update_utc - after.last_update_utc == WEEK


def test_its_name_is_the_cas_id(node):
    id = certificate_id(x509.load_pem_x509_certificate(Path(node.ca).read_bytes()))
    assert fetch(node, id) == fetch(node)
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(node, "0" * 64)
    assert caught.value.code == 404
    caught.value.close()


def test_certificates_say_where_it_is_only_when_that_is_set(iot, tmp_path):
    kind = x509.CRLDistributionPoints
    plain = x509.load_pem_x509_certificate(certificate(iot).pem.encode())
    assert kind.oid not in [extension.oid for extension in plain.extensions]
    url = "http://crl.example.com/_sekisho/crl/ca.crl"
    with running(tmp_path / "node", f"crl.url={url}") as node:
        made = x509.load_pem_x509_certificate(certificate(node.client("iot")).pem.encode())
        [point] = made.extensions.get_extension_for_class(kind).value
        assert [name.value for name in point.full_name] == [url]


def test_the_number_goes_on_after_a_restart(tmp_path):
    with running(tmp_path / "node") as node:
        iot = node.client("iot")
        first = current(node)
        made = certificate(iot)
        revoke(iot, made)
        node.kill()  # the list was not asked for in between
        node.start()
        again = current(node)
        assert number(again) == number(first) + 1
        assert listed(node, made.pem)
        assert again.last_update_utc <= datetime.now(UTC)


def test_an_address_must_be_one():
    with pytest.raises(ConfigError, match=r"crl\.url = 'ca\.crl': http"):
        load_config(["crl.url=ca.crl"])


def fill(node, count: int) -> None:
    """As many entries as if so much had been revoked; the node does not run."""
    issuer = certificate_id(x509.load_pem_x509_certificate(Path(node.ca).read_bytes()))
    body = json.dumps({"certificateId": "0" * 64, "issuer": issuer, "revokedAt": 1.0})
    with sqlite3.connect(node.data / "sekisho.db") as connection:
        connection.executemany(
            "INSERT INTO resource (account, region, kind, id, version, body, created, updated) "
            "VALUES ('', '', 'revocation', ?, 1, ?, 1.0, 1.0)",
            ((f"{number:040x}", body) for number in range(1, count + 1)),
        )
    connection.close()


def test_a_long_list_outlives_the_node_and_grows(tmp_path):
    """In several pieces. What is revoked then is on it some seconds later: a long one is not made at once."""
    with running(tmp_path / "node") as node:
        node.stop()
        fill(node, 12_000)
        node.start()
        found = current(node)
        assert [entry.serial_number for entry in found] == list(range(1, 12_001))
        whole = fetch(node, tls=True)
        node.kill()
        node.start()
        assert fetch(node) == whole
        iot = node.client("iot")
        made = certificate(iot)
        revoke(iot, made)
        until(lambda: listed(node, made.pem), within=60)
        assert number(current(node)) == number(found) + 1
        assert len(current(node)) == 12_001
