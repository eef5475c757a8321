import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sekisho.logic import certificates
from sekisho.logic.certificates import BadCertificate, BadCsr

NOW = 1_760_000_000.25  # 2025-10-09T08:53:20Z
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def ca():
    return certificates.make_ca("Sekisho device CA", NOW)


@pytest.fixture(scope="module")
def device_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def device(ca, device_key):
    return certificates.issue_device_certificate(
        *ca, device_key.public_key(), certificates.DEFAULT_SUBJECT, NOW
    )


def openssl(*args, text=None, folder=None):
    done = subprocess.run(["openssl", *args], input=text, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def csr_pem(key, algorithm=None, name="d"):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, algorithm).public_bytes(PEM).decode()


def self_signed(key, algorithm, public_key=None):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self")])
    now = datetime(2025, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    builder = builder.public_key(public_key or key.public_key())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, algorithm).public_bytes(PEM).decode()


# --- what is issued; openssl is the second opinion ---


def test_the_device_profile(device, ca):
    text = openssl("x509", "-noout", "-text", text=certificates.certificate_pem(device))
    assert "Version: 3 (0x2)" in text
    assert "Signature Algorithm: sha256WithRSAEncryption" in text
    assert "Issuer: OU = Sekisho device CA\n" in text
    assert "Subject: CN = AWS IoT Certificate\n" in text
    assert "Not Before: Oct  9 08:51:20 2025 GMT" in text
    assert "Not After : Dec 31 23:59:59 2049 GMT" in text
    extensions = re.findall(r"^ {12}(X509v3 .*?): ?(critical)?$", text, re.MULTILINE)
    assert extensions == [
        ("X509v3 Authority Key Identifier", ""),
        ("X509v3 Subject Key Identifier", ""),
        ("X509v3 Basic Constraints", "critical"),
        ("X509v3 Key Usage", "critical"),
    ]
    assert "CA:FALSE" in text
    assert re.search(r"Key Usage: critical\n\s+Digital Signature\n", text)


def test_the_extensions_are_as_long_as_those_of_the_real_service(device):
    # Four extensions of 94 bytes in all, as measured on AWS IoT's certificates.
    der = device.tbs_certificate_bytes
    marker = der.rindex(bytes([0xA3, 96, 0x30, 94]))
    assert len(der) - marker == 98


def test_openssl_verifies_the_chain(device, ca, tmp_path):
    (tmp_path / "ca.pem").write_text(certificates.certificate_pem(ca[0]))
    (tmp_path / "device.pem").write_text(certificates.certificate_pem(device))
    args = ("verify", "-x509_strict", "-attime", "1760000001", "-CAfile", "ca.pem", "device.pem")
    assert openssl(*args, folder=tmp_path) == "device.pem: OK\n"


def test_serial_numbers_have_exactly_20_bytes_and_differ(ca, device_key):
    issued = {
        certificates.issue_device_certificate(
            *ca, device_key.public_key(), certificates.DEFAULT_SUBJECT, NOW
        ).serial_number
        for _ in range(20)
    }
    assert len(issued) == 20
    assert {(serial.bit_length() + 8) // 8 for serial in issued} == {20}


def test_given_subject_date_and_serial_are_kept(ca, device_key):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mine")])
    until = datetime(2025, 10, 9, 9, 0, tzinfo=UTC)
    cert = certificates.issue_device_certificate(*ca, device_key.public_key(), subject, NOW, until, 5)
    assert (cert.subject, cert.not_valid_after_utc, cert.serial_number) == (subject, until, 5)


def test_the_ca(ca):
    cert, key = ca
    text = openssl("x509", "-noout", "-text", text=certificates.certificate_pem(cert))
    assert "Public-Key: (2048 bit)" in text
    assert re.search(r"Basic Constraints: critical\n\s+CA:TRUE, pathlen:0\n", text)
    assert re.search(r"Key Usage: critical\n\s+Certificate Sign, CRL Sign\n", text)
    assert "X509v3 Subject Key Identifier" in text
    assert cert.subject == cert.issuer
    assert len(cert.subject.rdns) == 1
    assert cert.not_valid_after_utc.year == 2055
    assert cert.public_key() == key.public_key()
    assert certificates.parse_certificate(certificates.certificate_pem(cert)) == cert


def test_the_ca_needs_a_name():
    with pytest.raises(ValueError, match="1 to 64 characters"):
        certificates.make_ca("", NOW)


def test_the_server_certificate(ca, tmp_path):
    names = ["localhost", "*.iot.example", "127.0.0.1", "::1"]
    cert, key = certificates.make_server_certificate(*ca, names, NOW)
    text = openssl("x509", "-noout", "-text", text=certificates.certificate_pem(cert))
    assert "ASN1 OID: prime256v1" in text
    assert "TLS Web Server Authentication" in text
    assert "DNS:localhost, DNS:*.iot.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in text
    assert cert.not_valid_after_utc == datetime(2026, 11, 10, 8, 53, 20, tzinfo=UTC)
    assert cert.public_key() == key.public_key()
    (tmp_path / "ca.pem").write_text(certificates.certificate_pem(ca[0]))
    (tmp_path / "s.pem").write_text(certificates.certificate_pem(cert))
    for option, name in (("-verify_hostname", "a.iot.example"), ("-verify_ip", "127.0.0.1")):
        args = ("verify", "-x509_strict", "-purpose", "sslserver", "-attime", "1760000001", option, name)
        assert openssl(*args, "-CAfile", "ca.pem", "s.pem", folder=tmp_path) == "s.pem: OK\n"


def test_a_server_certificate_with_only_long_names(ca):
    cert, _ = certificates.make_server_certificate(*ca, ["a" * 60 + ".example"], NOW)
    assert len(cert.subject.rdns) == 0
    assert cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_a_server_certificate_needs_a_name(ca):
    with pytest.raises(ValueError, match="at least one name"):
        certificates.make_server_certificate(*ca, [], NOW)


def test_generated_keys():
    private, public = certificates.generate_rsa_key()
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert public.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert openssl("rsa", "-pubout", text=private) == public
    assert "2048 bit" in openssl("rsa", "-text", "-noout", text=private)


# --- names and dates ---


def test_the_id_is_opensslss_fingerprint_whatever_the_pem_looks_like(device):
    pem = certificates.certificate_pem(device)
    printed = openssl("x509", "-noout", "-fingerprint", "-sha256", text=pem)
    expected = printed.strip().partition("=")[2].replace(":", "").lower()
    assert certificates.certificate_id(device) == expected
    assert certificates.certificate_id(device.public_bytes(serialization.Encoding.DER)) == expected
    body = pem.split("-----")[2]
    for variant in (
        "Bag Attributes\n    friendlyName: x\n" + pem,
        pem.replace("\n", "\r\n"),
        pem.replace("\n", "\n  ") + "\n\n",
        "-----BEGIN CERTIFICATE-----" + body.replace("\n", "") + "-----END CERTIFICATE-----",
        openssl("x509", "-text", text=pem),
    ):
        assert certificates.certificate_id(certificates.parse_certificate(variant)) == expected


def test_validity(device):
    begin, end = NOW - 120.25, datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert certificates.check_validity(device, begin) is None
    assert certificates.check_validity(device, end) is None
    words = certificates.check_validity(device, begin - 1)
    assert words == "the certificate is not valid before 2025-10-09T08:51:20Z"
    words = certificates.check_validity(device, end + 1)
    assert words == "the certificate expired at 2049-12-31T23:59:59Z"


# --- what comes in ---


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ec.generate_private_key(ec.SECP521R1()),
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["P-256", "P-384", "P-521", "RSA-2048"],
)
def test_good_requests_and_certificates(make):
    key = make()
    csr = certificates.parse_csr(csr_pem(key, hashes.SHA384(), "my device"))
    assert csr.subject.rfc4514_string() == "CN=my device"
    cert = certificates.parse_certificate(self_signed(key, hashes.SHA512()))
    assert cert.public_key() == key.public_key()


@pytest.mark.parametrize("key", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"])
def test_a_request_signed_with_sha1_is_taken(tmp_path, key):
    # aws-sdk-ios, pull request 3345: the hash of a request's own signature does not matter.
    args = f"req -new -newkey {key} -nodes -keyout k.pem -sha1 -subj /CN=old".split()
    pem = openssl(*args, folder=tmp_path)
    assert certificates.parse_csr(pem).subject.rfc4514_string() == "CN=old"
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    forged = x509.load_der_x509_csr(der.replace(b"old", b"new")).public_bytes(PEM).decode()
    with pytest.raises(BadCsr, match="the signing request's signature does not fit its own key"):
        certificates.parse_csr(forged)


def small_rsa(tmp_path, kind):
    args = ["req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "k.pem", "-subj", "/CN=small"]
    return openssl(*args, *(["-x509"] if kind == "cert" else []), folder=tmp_path)


def test_an_rsa_key_of_1024_bits(tmp_path):
    with pytest.raises(BadCsr, match="the RSA key has 1024 bits, at least 2048 are needed"):
        certificates.parse_csr(small_rsa(tmp_path, "csr"))
    with pytest.raises(BadCertificate, match="the RSA key has 1024 bits, at least 2048 are needed"):
        certificates.parse_certificate(small_rsa(tmp_path, "cert"))


def test_other_keys():
    with pytest.raises(BadCsr, match="the curve secp256k1 is none of P-256, P-384, P-521"):
        certificates.parse_csr(csr_pem(ec.generate_private_key(ec.SECP256K1()), hashes.SHA256()))
    with pytest.raises(BadCsr, match="the key is a Ed25519 key; supported are RSA and ECC keys"):
        certificates.parse_csr(csr_pem(ed25519.Ed25519PrivateKey.generate()))
    with pytest.raises(BadCertificate, match="the key is a Ed25519 key"):
        certificates.parse_certificate(self_signed(ed25519.Ed25519PrivateKey.generate(), None))


def test_signature_algorithms(tmp_path, device_key):
    with pytest.raises(BadCertificate, match="signed with an algorithm without a hash"):
        certificates.parse_certificate(
            self_signed(ed25519.Ed25519PrivateKey.generate(), None, device_key.public_key())
        )
    args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-sha1", "-subj", "/CN=old"]
    with pytest.raises(BadCertificate, match="signed with SHA1; supported are SHA-256"):
        certificates.parse_certificate(openssl(*args, folder=tmp_path))
    args = "req -x509 -newkey rsa:2048 -nodes -keyout k.pem -sha256 -sigopt rsa_padding_mode:pss -subj /CN=p"
    assert certificates.parse_certificate(openssl(*args.split(), folder=tmp_path)).serial_number


def test_a_request_whose_signature_is_anothers(device_key):
    der = x509.load_pem_x509_csr(csr_pem(device_key, hashes.SHA256()).encode()).public_bytes(
        serialization.Encoding.DER
    )
    other = der.replace(b"\x0c\x01d", b"\x0c\x01e")
    assert other != der
    pem = x509.load_der_x509_csr(other).public_bytes(PEM).decode()
    with pytest.raises(BadCsr, match="the signing request's signature does not fit its own key"):
        certificates.parse_csr(pem)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pem: "", "not PEM: there is no -----BEGIN CERTIFICATE----- line"),
        (lambda pem: "hello", "not PEM"),
        (lambda pem: pem.replace("\n", "\\n"), 'the two characters "\\n"'),
        (lambda pem: pem.replace("CERTIFICATE", "PUBLIC KEY"), 'is a "PUBLIC KEY", not a "CERTIFICATE"'),
        (lambda pem: pem.replace("CERTIFICATE", "RSA PRIVATE KEY"), "a private key belongs nowhere but"),
        (lambda pem: pem.replace("CERTIFICATE", "CERTIFICATE REQUEST"), 'not a "CERTIFICATE"'),
        (lambda pem: pem + pem, "there are 2 PEM blocks (CERTIFICATE, CERTIFICATE)"),
        (lambda pem: pem[:300], "cut off: there is no -----END CERTIFICATE----- line"),
        (lambda pem: pem[:100] + pem[101:], "the base64 in the PEM block is damaged or cut off"),
        (lambda pem: pem[:100] + "!" + pem[101:], "the base64 in the PEM block is damaged or cut off"),
        (lambda pem: pem[:100] + "é" + pem[101:], "the base64 in the PEM block is damaged or cut off"),
        (lambda pem: pem[:28] + pem[32:], "not DER of a certificate"),
        (lambda pem: pem.replace("-----END", "AAAA-----END").replace("=", ""), "not DER of a certificate"),
        (lambda pem: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", "the PEM block is empty"),
        (lambda pem: pem + " " * 65_536, "more than 65536"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named(device, change, words):
    with pytest.raises(BadCertificate) as caught:
        certificates.parse_certificate(change(certificates.certificate_pem(device)))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pem: pem + " " * 4096, "more than 4096"),
        (lambda pem: pem.replace(" REQUEST", ""), 'is a "CERTIFICATE", not a "CERTIFICATE REQUEST"'),
        (lambda pem: pem + pem, "there are 2 PEM blocks"),
        (lambda pem: pem[:36] + pem[40:], "not DER of a certificate signing request"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(device_key, change, words):
    with pytest.raises(BadCsr) as caught:
        certificates.parse_csr(change(csr_pem(device_key, hashes.SHA256())))
    assert words in str(caught.value)


def test_the_legacy_label_of_requests(device_key):
    pem = csr_pem(device_key, hashes.SHA256()).replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
    assert certificates.parse_csr(pem).public_key() == device_key.public_key()


def test_der_from_a_handshake(device):
    assert certificates.load_certificate(device.public_bytes(serialization.Encoding.DER)) == device
    with pytest.raises(BadCertificate, match="not DER of a certificate"):
        certificates.load_certificate(b"")
