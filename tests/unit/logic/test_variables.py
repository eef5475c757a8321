import subprocess

import pytest
from cryptography import x509

from sekisho.logic.certificates import make_ca
from sekisho.logic.variables import certificate_attributes, connection_variables, subject_parameters

# The certificate of AWS IoT Developer Guide, "Using X.509 certificate policy variables".
CONFIG = """
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
C = US
O = IoT Devices
OU = LightBulb
ST = NY
CN = LightBulb Device Cert
GN = Bulb
initials = ZZ
dnQualifier = Bulb001
SN = Multi Color
title = RGB
pseudonym = RGB Device
generationQualifier = 4
serialNumber = 123
[extensions]
subjectAltName = @alternatives
issuerAltName = DNS:issuer.com,IP:5.6.7.8
[alternatives]
DNS = example.com
IP = 1.2.3.4
URI = ResourceIdentifier001
email = device1@example.com
dirName = directory
[directory]
C = US
O = IoT
OU = SmartHome
CN = LightBulbCert
"""


@pytest.fixture(scope="module")
def guide_certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cert")
    (folder / "c.cnf").write_text(CONFIG)
    options = "-newkey rsa:2048 -nodes -keyout k.pem -out c.pem -set_serial 10525622389124227206 -days 1"
    subprocess.run(
        ["openssl", "req", "-x509", "-config", "c.cnf", *options.split()],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return x509.load_pem_x509_certificate((folder / "c.pem").read_bytes())


def test_the_guides_certificate(guide_certificate):
    found = certificate_attributes(guide_certificate)
    subject = {
        name.removeprefix("iot:Certificate.Subject."): values
        for name, values in found.items()
        if name.startswith("iot:Certificate.Subject.")
    }
    assert subject == {
        "Country": ["US"],
        "Organization": ["IoT Devices"],
        "OrganizationalUnit": ["LightBulb"],
        "State": ["NY"],
        "CommonName": ["LightBulb Device Cert"],
        "GivenName": ["Bulb"],
        "Initials": ["ZZ"],
        "DistinguishedNameQualifier": ["Bulb001"],
        "Surname": ["Multi Color"],
        "Title": ["RGB"],
        "Pseudonym": ["RGB Device"],
        "GenerationQualifier": ["4"],
        "SerialNumber": ["123"],
        "AlternativeName.DNSName": ["example.com"],
        "AlternativeName.IPAddress": ["1.2.3.4"],
        "AlternativeName.UniformResourceIdentifier": ["ResourceIdentifier001"],
        "AlternativeName.RFC822Name": ["device1@example.com"],
        "AlternativeName.DirectoryName": ["cn=LightBulbCert,ou=SmartHome,o=IoT,c=US"],
    }
    assert found["iot:Certificate.SerialNumber"] == ["10525622389124227206"]
    assert found["iot:Certificate.Issuer.AlternativeName.DNSName"] == ["issuer.com"]
    assert found["iot:Certificate.Issuer.AlternativeName.IPAddress"] == ["5.6.7.8"]


def test_provisioning_parameters(guide_certificate):
    assert subject_parameters(guide_certificate, "ab") == {
        "AWS::IoT::Certificate::Id": "ab",
        "AWS::IoT::Certificate::Country": "US",
        "AWS::IoT::Certificate::Organization": "IoT Devices",
        "AWS::IoT::Certificate::OrganizationalUnit": "LightBulb",
        "AWS::IoT::Certificate::DistinguishedNameQualifier": "Bulb001",
        "AWS::IoT::Certificate::StateName": "NY",
        "AWS::IoT::Certificate::CommonName": "LightBulb Device Cert",
        "AWS::IoT::Certificate::SerialNumber": "123",
    }


def variables(**changes):
    given = {
        "client_id": "c",
        "certificate_id": "ab",
        "certificate": {},
        "thing": None,
        "source_ip": "10.0.0.1",
        "domain_name": "x.example",
    }
    return connection_variables(**(given | changes))


def test_basic_variables():
    assert variables() == {
        "iot:ClientId": "c",
        "iot:CertificateId": "ab",
        "aws:SourceIp": "10.0.0.1",
        "iot:DomainName": "x.example",
        "iot:Connection.Thing.IsAttached": "false",
    }


def test_thing_variables():
    found = variables(thing=("t", "T", {"a": "1", "b.c": "#"}))
    assert found["iot:Connection.Thing.ThingName"] == "t"
    assert found["iot:Connection.Thing.ThingTypeName"] == "T"
    assert found["iot:Connection.Thing.Attributes[a]"] == "1"
    assert found["iot:Connection.Thing.Attributes[b.c]"] == "#"
    assert found["iot:Connection.Thing.IsAttached"] == "true"
    assert "iot:Connection.Thing.ThingTypeName" not in variables(thing=("t", None, {}))


CN = "iot:Certificate.Subject.CommonName"


def test_several_certificate_values():
    found = variables(certificate={CN: ["a", "b", "c", "d", "e", "f"]})
    assert (found[CN], found[f"{CN}.1"], found[f"{CN}.4"]) == ("a", "b", "e")
    assert f"{CN}.5" not in found
    assert found[f"{CN}.List"] == ["a", "b", "c", "d", "e"]
    assert found["iot:Certificate.AvailableKeys"] == [CN]


@pytest.mark.parametrize("value", ["*", "a$", "+a", "?", "a#b", "x" * 1025])
def test_what_is_not_substituted(value):
    found = variables(certificate={CN: [value, "b"]})
    assert CN not in found
    assert found[f"{CN}.1"] == "b"
    assert found[f"{CN}.List"] == [value, "b"]


def test_the_longest_value():
    assert variables(certificate={CN: ["x" * 1024]})[CN] == "x" * 1024


def test_special_characters_carry_a_backslash():
    # AWS IoT Developer Guide, "X.509 Certificate policy variable limitations": its own example.
    text = "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US"
    cert, _ = make_ca(text[:61], 1_700_000_000.0)
    assert certificate_attributes(cert)["iot:Certificate.Issuer.OrganizationalUnit"] == [
        text[:61].replace("=", "\\=")
    ]
