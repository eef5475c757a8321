"""Certificates that end when the operator says: for an account and region, for a template, past 2049."""

from __future__ import annotations

import datetime
import json

import pytest
from cryptography import x509
from typer.testing import CliRunner

from api.making import ROLE, certificate, csr, listed, refused, template, thing_resource
from interop.devices import allow
from interop.wire import Closed, Wire
from sekisho.cli import papers
from sekisho.cli.commands import app

AWS_END = datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
CREATE = "$aws/certificates/create-from-csr/json"
PAST_2049 = datetime.datetime(2077, 5, 4, 3, 2, 1, tzinfo=datetime.UTC)
CERTIFICATE = {
    "Type": "AWS::IoT::Certificate",
    "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}},
}
BODY = template({"thing": thing_resource(), "certificate": CERTIFICATE}, "Name")

assert papers.app is app


@pytest.fixture(autouse=True)
def as_at_aws(own):
    yield
    own.delete_certificate_validity()


@pytest.fixture
def named(iot, own, name):
    """A provisioning template."""
    iot.create_provisioning_template(
        templateName=name, templateBody=BODY, enabled=True, provisioningRoleArn=ROLE
    )
    return name


def end(pem: str) -> datetime.datetime:
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def said(made: x509.Certificate) -> datetime.timedelta:
    # Issued two minutes before the call, as AWS's are.
    return made.not_valid_after_utc - made.not_valid_before_utc - datetime.timedelta(seconds=120)


def test_without_a_setting_the_end_is_awss(iot, own):
    shown = own.get_certificate_validity()
    assert (shown["origin"], shown["notAfter"], shown["wouldEnd"]) == ("AWS", AWS_END, AWS_END)
    assert end(certificate(iot).pem) == AWS_END


def test_days_are_counted_from_the_issue(iot, own):
    assert own.put_certificate_validity(days=90)["origin"] == "ACCOUNT"
    made = certificate(iot)
    assert said(x509.load_pem_x509_certificate(made.pem.encode())) == datetime.timedelta(days=90)
    described = iot.describe_certificate(certificateId=made.id)["certificateDescription"]
    assert described["validity"]["notAfter"] == end(made.pem)
    keys = iot.create_keys_and_certificate()
    assert end(keys["certificatePem"]) - end(made.pem) < datetime.timedelta(minutes=5)


def test_an_end_past_2049_and_back_to_awss(iot, own):
    own.put_certificate_validity(notAfter=PAST_2049)
    made = certificate(iot)
    assert end(made.pem) == PAST_2049
    described = iot.describe_certificate(certificateId=made.id)["certificateDescription"]
    assert described["validity"]["notAfter"] == PAST_2049
    own.delete_certificate_validity()
    assert end(certificate(iot).pem) == AWS_END
    assert (
        iot.describe_certificate(certificateId=made.id)["certificateDescription"]["validity"]["notAfter"]
        == PAST_2049
    )  # what is issued stays as it is


def test_every_door_that_issues_follows(iot, own, name):
    own.put_certificate_validity(notAfter=PAST_2049)
    request = {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateSigningRequest": {"Ref": "Csr"}}}
    text = template({"thing": thing_resource(), "certificate": request}, "Name", "Csr")
    made = iot.register_thing(templateBody=text, parameters={"Name": name, "Csr": csr()})
    assert end(made["certificatePem"]) == PAST_2049


def test_a_certificate_must_not_outlive_the_nodes_ca(own):
    last = own.get_certificate_validity()["issuerNotAfter"]
    with refused("InvalidRequestException", 400, "must not outlive its issuer"):
        own.put_certificate_validity(notAfter=last + datetime.timedelta(seconds=1))
    with refused("InvalidRequestException", 400, "must not outlive its issuer"):
        own.put_certificate_validity(days=365 * 101)
    assert own.put_certificate_validity(notAfter=last)["wouldEnd"] == last


@pytest.mark.parametrize("members", [{}, {"days": 1, "notAfter": PAST_2049}])
def test_one_of_days_and_an_end_is_given(own, members):
    with refused("InvalidRequestException", 400, "either days or notAfter"):
        own.put_certificate_validity(**members)


def test_an_end_that_is_over_is_refused(own, turned, iot):
    with refused("InvalidRequestException", 400, "is not after the clock's time"):
        own.put_certificate_validity(notAfter=datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC))
    turned.set_clock(to=datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC))
    assert "is not after the clock's time" in own.get_certificate_validity()["whyNot"]
    with refused("InvalidRequestException", 400, "cannot be issued now", "is not after"):
        certificate(iot)
    own.put_certificate_validity(days=30)
    made = x509.load_pem_x509_certificate(certificate(iot).pem.encode())
    assert made.not_valid_after_utc == datetime.datetime(2050, 1, 31, tzinfo=datetime.UTC)


def test_a_template_has_its_own_and_loses_it_with_its_life(iot, own, named):
    assert own.get_certificate_validity(templateName=named)["origin"] == "AWS"
    own.put_certificate_validity(days=7)
    assert own.get_certificate_validity(templateName=named)["origin"] == "ACCOUNT"
    own.put_certificate_validity(templateName=named, notAfter=PAST_2049)
    shown = own.get_certificate_validity(templateName=named)
    assert (shown["origin"], shown["templateName"], shown["notAfter"]) == ("TEMPLATE", named, PAST_2049)
    assert {"templateName": named, "notAfter": PAST_2049} in listed(
        own, "list_certificate_validities", "validities"
    )
    assert own.list_certificate_validities(maxResults=1)["validities"]
    iot.delete_provisioning_template(templateName=named)
    assert named not in [v["templateName"] for v in own.list_certificate_validities()["validities"]]
    with refused("ResourceNotFoundException", 404, named):
        own.get_certificate_validity(templateName=named)
    with refused("ResourceNotFoundException", 404, named):
        own.put_certificate_validity(templateName=named, days=1)


def test_a_claims_certificates_have_the_validity_of_the_template_that_it_may_use(
    factory, iot, own, named, name
):
    """A device gets its certificate before it names a template: its claim's policy says which it is for."""
    own.put_certificate_validity(days=7)
    own.put_certificate_validity(templateName=named, notAfter=PAST_2049)

    def asked(prefix: str, template: str) -> datetime.datetime:
        mine = (f"{CREATE}*", f"$aws/provisioning-templates/{template}/provision/*")
        device = factory(
            prefix,
            thing=False,
            statements=[
                allow("Connect", "*"),
                allow("Publish", *(f"topic/{topic}" for topic in mine)),
                allow("Receive", f"topic/{CREATE}*"),
                allow("Subscribe", f"topicfilter/{CREATE}*"),
            ],
        )
        with device.online() as wire:
            assert wire.subscribe(f"{CREATE}/accepted") == [1]
            wire.publish(CREATE, json.dumps({"certificateSigningRequest": csr()}).encode())
            return end(json.loads(wire.message().payload)["certificatePem"])

    assert asked("claim", named) == PAST_2049
    assert asked("other-claim", "another") < AWS_END
    own.put_certificate_validity(templateName=named, days=1)
    assert asked("any-claim", "*") < datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)


def test_a_trusted_users_claim_is_for_its_template(node, iot, own, named, tmp_path):
    own.put_certificate_validity(days=7)
    own.put_certificate_validity(templateName=named, notAfter=PAST_2049)
    claim = iot.create_provisioning_claim(templateName=named)
    certificate_file, key_file = tmp_path / "crt", tmp_path / "key"
    certificate_file.write_text(claim["certificatePem"])
    key_file.write_text(claim["keyPair"]["PrivateKey"])
    with Wire(node.mqtt, node.ca, (str(certificate_file), str(key_file))) as wire:
        assert wire.connect(named).code == 0
        assert wire.subscribe(f"{CREATE}/accepted") == [1]
        wire.publish(CREATE, json.dumps({"certificateSigningRequest": csr()}).encode())
        assert end(json.loads(wire.message().payload)["certificatePem"]) == PAST_2049


def test_what_has_ended_cannot_connect(factory, own):
    own.put_certificate_validity(days=7)
    device = factory("short-lived")
    device.online().close()
    own.set_clock(advanceSeconds=8 * 86400)
    try:
        with device.wire() as wire, pytest.raises(Closed):
            wire.connect(device.name)
        (refusal,) = own.list_refusals(certificateId=device.certificate_id)["refusals"]
        assert "not valid at this time" in refusal["reason"]
    finally:
        own.set_clock(reset=True)


class TestTheCommand:
    def run(self, node, *arguments: str):
        return CliRunner().invoke(app, ["validity", "--data", str(node.data), *arguments])

    def test_shows_and_sets(self, node, own, named):
        assert self.run(node).stdout.startswith("until 2049-12-31T23:59:59+00:00; AWS's own")
        assert self.run(node, "--days", "30").stdout == (
            "30 days from the issue; set for the account and region\n"
        )
        shown = self.run(node, "--until", "2077-05-04", "--template", named).stdout
        assert shown == "until 2077-05-04T00:00:00+00:00; set for the template\n"
        assert f"template {named}: until 2077-05-04T00:00:00+00:00" in self.run(node).stdout
        assert "AWS's own" in self.run(node, "--reset").stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--days", "1", "--reset"), "exclude each other"),
            (("--until", "tomorrow"), "'tomorrow' is not a date"),
            (("--days", "2000000"), "must not outlive its issuer"),
            (("--days", "1", "--template", "none"), "Provisioning template none does not exist"),
        ],
    )
    def test_says_what_is_wrong(self, node, arguments, words):
        answer = self.run(node, *arguments)
        assert answer.exit_code == 1
        assert words in answer.stderr
