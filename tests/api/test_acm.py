"""Server certificates by ACM: brought along or requested, shown, tagged, deleted; their keys are nowhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from api.authorities import CA_TRUE, DAY, Authority, issue, self_signed
from api.callers import policy, user
from api.making import ACCOUNT, REGION, not_implemented, refused
from api.servers import SERVER_AUTH, brought, named, server

EVERY_KEY = {
    "keyTypes": ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"]
}
MISSING = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def authority():
    return Authority("An Authority")


@pytest.fixture
def host(name):
    return f"{name}.example.com"


@pytest.fixture
def made(acm, authority, host):
    return acm.import_certificate(**brought(server(authority, host), authority))["CertificateArn"]


def test_a_certificate_is_imported_shown_and_deleted(acm, authority, host, turned):
    papers = server(authority, host, f"*.{host}")
    arn = acm.import_certificate(**brought(papers, authority))["CertificateArn"]
    assert arn.startswith(f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/")
    shown = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    leaf = papers.certificate
    assert shown.pop("CreatedAt") == shown.pop("ImportedAt") <= datetime.now(UTC)
    number = leaf.serial_number
    assert shown == {
        "CertificateArn": arn,
        "DomainName": host,
        "SubjectAlternativeNames": [host, f"*.{host}"],
        "Serial": number.to_bytes((number.bit_length() + 7) // 8).hex(":"),
        "Subject": leaf.subject.rfc4514_string(),
        "Issuer": leaf.issuer.rfc4514_string(),
        "Status": "ISSUED",
        "Type": "IMPORTED",
        "NotBefore": leaf.not_valid_before_utc,
        "NotAfter": leaf.not_valid_after_utc,
        "KeyAlgorithm": "EC_prime256v1",
        "SignatureAlgorithm": "SHA256WITHECDSA",
        "InUseBy": [],
        "KeyUsages": [{"Name": "ANY"}],
        "ExtendedKeyUsages": [{"Name": "TLS_WEB_SERVER_AUTHENTICATION", "OID": "1.3.6.1.5.5.7.3.1"}],
        "RenewalEligibility": "INELIGIBLE",
        "Options": {"CertificateTransparencyLoggingPreference": "DISABLED", "Export": "DISABLED"},
        "CertificateKeyPairOrigin": "CUSTOMER_PROVIDED",
    }
    got = acm.get_certificate(CertificateArn=arn)
    assert (got["Certificate"], got["CertificateChain"]) == (papers.pem, authority.pem)
    assert "PrivateKey" not in got
    turned.set_clock(advanceSeconds=366 * 86400)
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "EXPIRED"
    acm.delete_certificate(CertificateArn=arn)
    for gone in (acm.describe_certificate, acm.get_certificate, acm.delete_certificate):
        with refused("ResourceNotFoundException", 400, arn):
            gone(CertificateArn=arn)


def test_a_self_signed_one_needs_no_chain(acm, host):
    papers = self_signed(host, extensions=(named(host), SERVER_AUTH))
    arn = acm.import_certificate(**brought(papers))["CertificateArn"]
    assert "CertificateChain" not in acm.get_certificate(CertificateArn=arn)


def test_it_is_imported_again_under_its_arn(acm, authority, made, host):
    new = server(authority, f"new.{host}")
    assert acm.import_certificate(CertificateArn=made, **brought(new, authority))["CertificateArn"] == made
    assert acm.describe_certificate(CertificateArn=made)["Certificate"]["DomainName"] == f"new.{host}"
    assert acm.get_certificate(CertificateArn=made)["Certificate"] == new.pem
    with refused("InvalidParameterException", 400, "Tags"):
        acm.import_certificate(CertificateArn=made, Tags=[{"Key": "a"}], **brought(new, authority))
    with refused("ResourceNotFoundException", 400, MISSING):
        acm.import_certificate(CertificateArn=MISSING, **brought(new, authority))
    requested = acm.request_certificate(DomainName=host)["CertificateArn"]
    with refused("ValidationException", 400, "not imported"):
        acm.import_certificate(CertificateArn=requested, **brought(new, authority))


def chained(host):
    """A root, two in between, and a server's certificate."""
    root = Authority("Root")
    upper, lower = Authority("Upper"), Authority("Lower")
    upper.issued = issue(upper.name, root.name, root.key, upper.key, extensions=(CA_TRUE,))
    lower.issued = issue(lower.name, upper.name, upper.key, lower.key, extensions=(CA_TRUE,))
    for one in (upper, lower):
        one.pem = one.issued.pem
    return server(lower, host), lower, upper, root


def test_a_chain_is_kept_in_its_order(acm, host):
    leaf, *chain = chained(host)
    arn = acm.import_certificate(**brought(leaf, *chain))["CertificateArn"]
    assert acm.get_certificate(CertificateArn=arn)["CertificateChain"] == "".join(one.pem for one in chain)
    acm.import_certificate(**brought(leaf, *chain[:2]))  # the root may be left out


@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2), (2, 1, 0), (1,)])
def test_a_chain_out_of_order_or_with_a_gap_is_refused(acm, host, order):
    leaf, *chain = chained(host)
    with refused("ValidationException", 400, "CertificateChain", "has not signed"):
        acm.import_certificate(**brought(leaf, *(chain[place] for place in order)))


def test_what_does_not_fit_is_refused_by_name(acm, authority, host):
    papers = server(authority, host)
    good = brought(papers, authority)
    other = ec.generate_private_key(ec.SECP256R1())
    encrypted = papers.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    edwards = ed25519.Ed25519PrivateKey.generate()
    wrong = {
        "PrivateKey: the key is not that of": {"PrivateKey": papers._replace(key=other).key_pem},
        "PrivateKey: it is encrypted": {"PrivateKey": encrypted},
        "PrivateKey: it is not a private key": {"PrivateKey": b"nonsense"},
        "PrivateKey: supported are": {"PrivateKey": papers._replace(key=edwards).key_pem},
        "PrivateKey: supported are RSA keys of 2048": {"PrivateKey": papers._replace(key=small).key_pem},
        "PrivateKey: it has 6000 bytes": {"PrivateKey": b"x" * 6000},
        "Certificate: there are 2 PEM blocks": {"Certificate": good["Certificate"] * 2},
        "Certificate: not PEM": {"Certificate": b"nonsense"},
        "Certificate: it is not PEM": {"Certificate": b"\xff"},
        "CertificateChain: it is not PEM": {"CertificateChain": b"nonsense"},
        "CertificateChain: it has 11 certificates": {"CertificateChain": good["CertificateChain"] * 11},
        "must not have the certificate itself": {"CertificateChain": good["Certificate"]},
    }
    for words, members in wrong.items():
        with refused("ValidationException", 400, words):
            acm.import_certificate(**good | members)
    del good["CertificateChain"]
    with refused("ValidationException", 400, "not self-signed needs its chain"):
        acm.import_certificate(**good)


def test_the_wrong_time_and_no_name_are_refused(acm, authority, host):
    for when, words in (({"ends": -DAY / 2}, "expired"), ({"begins": DAY}, "not valid before")):
        with refused("ValidationException", 400, words):
            acm.import_certificate(**brought(server(authority, host, **when), authority))
    nameless = authority.sign("Not A Host", ec.generate_private_key(ec.SECP256R1()))
    with refused("ValidationException", 400, "names no domain"):
        acm.import_certificate(**brought(nameless, authority))
    old = authority.sign(host, ec.generate_private_key(ec.SECP256R1()))  # by its CN alone
    arn = acm.import_certificate(**brought(old, authority))["CertificateArn"]
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainName"] == host


@pytest.mark.parametrize("algorithm", ["RSA_2048", "EC_prime256v1", "EC_secp384r1"])
def test_one_is_requested_and_is_there_at_once(node, acm, host, algorithm):
    """From the node's CA, which the node's clients trust."""
    names = [host, f"*.{host}"]
    arn = acm.request_certificate(
        DomainName=host, SubjectAlternativeNames=names, KeyAlgorithm=algorithm, ValidationMethod="DNS"
    )["CertificateArn"]
    shown = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert (shown["Type"], shown["Status"], shown["KeyAlgorithm"]) == ("AMAZON_ISSUED", "ISSUED", algorithm)
    validated = {"ValidationMethod": "DNS", "ValidationStatus": "SUCCESS"}
    assert shown["DomainValidationOptions"] == [{"DomainName": name} | validated for name in names]
    assert shown["NotAfter"] - shown["NotBefore"] > timedelta(days=390)
    got = acm.get_certificate(CertificateArn=arn)
    leaf = x509.load_pem_x509_certificate(got["Certificate"].encode())
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(Path(node.ca).read_bytes()))


def test_a_request_is_made_once_for_its_token(acm, host, turned):
    def ask(name=host):
        return acm.request_certificate(DomainName=name, IdempotencyToken="once")["CertificateArn"]

    first = ask()
    assert ask() == first
    assert ask(f"other.{host}") != first
    turned.set_clock(advanceSeconds=3601)
    assert ask() != first


def test_a_request_that_cannot_be_is_refused(acm, host):
    with refused("InvalidParameterException", 400, "10 names"):
        acm.request_certificate(DomainName=host, SubjectAlternativeNames=[f"{n}.{host}" for n in range(10)])
    with refused("InvalidParameterException", 400, "RSA_1024"):
        acm.request_certificate(DomainName=host, KeyAlgorithm="RSA_1024")
    with refused("ValidationException", 400, "DomainName"):
        acm.request_certificate(DomainName="not a host")
    with not_implemented("CertificateAuthorityArn"):
        acm.request_certificate(
            DomainName=host,
            CertificateAuthorityArn="arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/a",
        )


def test_certificates_are_listed_over_pages_and_by_what_they_are(acm, authority, host):
    arns = [acm.import_certificate(**brought(server(authority, host), authority))["CertificateArn"]]
    arns += [acm.request_certificate(DomainName=host, KeyAlgorithm="EC_prime256v1")["CertificateArn"]]
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = server(authority, host, key=rsa_key)
    arns += [acm.import_certificate(**brought(plain, authority))["CertificateArn"]]

    def found(**members):
        everything, token = [], {}
        while True:
            page = acm.list_certificates(MaxItems=1, **members, **token)
            everything += page["CertificateSummaryList"]
            if "NextToken" not in page:
                return [one for one in everything if one["CertificateArn"] in arns]
            token = {"NextToken": page["NextToken"]}

    def ids(**members):
        return [one["CertificateArn"] for one in found(**members)]

    assert ids(Includes=EVERY_KEY) == arns
    assert ids(Includes=EVERY_KEY, SortBy="CREATED_AT", SortOrder="DESCENDING") == arns[::-1]
    assert ids(Includes=EVERY_KEY, SortBy="CREATED_AT", SortOrder="ASCENDING") == arns
    assert ids() == arns[2:]  # RSA alone, unless told
    assert ids(Includes=EVERY_KEY | {"keyUsage": ["DIGITAL_SIGNATURE"]}) == arns[1:2]
    assert ids(Includes=EVERY_KEY | {"extendedKeyUsage": ["TLS_WEB_SERVER_AUTHENTICATION"]}) == arns
    assert ids(Includes=EVERY_KEY | {"extendedKeyUsage": ["CODE_SIGNING"]}) == []
    assert ids(Includes=EVERY_KEY | {"exportOption": "ENABLED"}) == []
    assert ids(Includes=EVERY_KEY, CertificateStatuses=["ISSUED"]) == arns
    assert ids(Includes=EVERY_KEY, CertificateStatuses=["EXPIRED"]) == []
    summary = found(Includes=EVERY_KEY)[0]
    assert (summary["InUse"], summary["SubjectAlternativeNameSummaries"]) == (False, [host])
    with refused("InvalidArgsException", 400, "SortOrder"):
        acm.list_certificates(SortBy="CREATED_AT")
    with refused("InvalidArgsException", 400, "NextToken"):
        acm.list_certificates(NextToken="!")
    with not_implemented("RootHierarchyTypes"):
        acm.list_certificates(RootHierarchyTypes=["N2_AMAZON_MANAGED"])


def test_certificates_have_tags(acm, made):
    def tags():
        return acm.list_tags_for_certificate(CertificateArn=made)["Tags"]

    assert tags() == []
    acm.add_tags_to_certificate(CertificateArn=made, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    assert tags() == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    acm.remove_tags_from_certificate(CertificateArn=made, Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    assert tags() == [{"Key": "a", "Value": "1"}]
    with refused("InvalidTagException", 400, "aws:x"):
        acm.add_tags_to_certificate(CertificateArn=made, Tags=[{"Key": "aws:x"}])
    with refused("TooManyTagsException", 400, "50"):
        acm.add_tags_to_certificate(CertificateArn=made, Tags=[{"Key": f"k{n}"} for n in range(50)])
    acm.delete_certificate(CertificateArn=made)
    for gone in (
        lambda: acm.list_tags_for_certificate(CertificateArn=made),
        lambda: acm.add_tags_to_certificate(CertificateArn=made, Tags=[{"Key": "a"}]),
        lambda: acm.remove_tags_from_certificate(CertificateArn=made, Tags=[{"Key": "a"}]),
    ):
        with refused("ResourceNotFoundException", 400):
            gone()


def test_an_arn_of_something_else_is_refused(acm):
    with refused("InvalidArnException", 400, "not the ARN of a certificate"):
        acm.describe_certificate(CertificateArn=f"arn:aws:acm:{REGION}:{ACCOUNT}:other/x")
    with refused("ResourceNotFoundException", 400):
        acm.describe_certificate(CertificateArn=MISSING.replace(ACCOUNT, "111111111111"))


def test_policies_say_who_may(node, iam, authority, acm, made, name, host):
    may = policy("acm:DescribeCertificate", resource=made)
    client = user(node, iam, name, may, policy("acm:ImportCertificate", resource=MISSING[:-36] + "*"))("acm")
    assert client.describe_certificate(CertificateArn=made)["Certificate"]["CertificateArn"] == made
    client.import_certificate(**brought(server(authority, host), authority))
    with refused("AccessDeniedException", 400, "acm:GetCertificate", made):
        client.get_certificate(CertificateArn=made)
    with refused("AccessDeniedException", 400, "acm:RequestCertificate"):
        client.request_certificate(DomainName=host)


def test_a_private_key_is_in_no_table_and_no_log(node, acm, sql, authority, host):
    """Nor what makes it up; the database has it sealed."""
    papers = server(authority, host)
    arn = acm.import_certificate(**brought(papers, authority))["CertificateArn"]
    wrong = brought(papers, authority) | {"Certificate": server(authority, host).pem.encode()}
    with refused("ValidationException", 400, "PrivateKey"):
        acm.import_certificate(**wrong)
    with refused("ValidationException", 400, "PrivateKey"):
        acm.import_certificate(**wrong | {"PrivateKey": papers.key_pem * 40})  # more than the model allows
    body = "".join(papers.key_pem.decode().splitlines()[1:-1])
    everything = node.log
    for table in ("resource", "audit", "change", "link", "refusal"):
        everything += str(sql(f"SELECT * FROM {table}"))
    assert arn in everything
    for part in (body[:40], body[-40:], body[40:80], papers.key_pem.decode().splitlines()[1]):
        assert part not in everything
    assert "PRIVATE KEY" not in everything
