"""Names that certificates cover, chains as they are read, and roots that they stand under."""

from __future__ import annotations

import pytest
from cryptography import x509

from api.authorities import CA_TRUE, Authority, issue
from api.servers import server
from sekisho.logic.server_certificates import (
    BadServerCertificate,
    covers,
    is_domain,
    names_of,
    read_chain,
    stands_under,
)


@pytest.mark.parametrize(
    ("names", "domain", "yes"),
    [
        (["iot.example.com"], "iot.example.com", True),
        (["IOT.example.com"], "iot.Example.com", True),
        (["*.example.com"], "iot.example.com", True),
        (["*.example.com"], "a.iot.example.com", False),
        (["*.example.com"], "example.com", False),
        (["*.com"], "example.com", True),
        (["other.example.com", "*.iot.example.com"], "a.iot.example.com", True),
        (["iot.example.com.evil"], "iot.example.com", False),
        ([], "iot.example.com", False),
    ],
)
def test_a_name_is_covered_whole_or_by_one_label(names, domain, yes):
    assert covers(names, domain) is yes


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("iot.example.com", True),
        ("*.example.com", True),
        ("localhost", False),
        ("-a.example.com", False),
        ("a..b", False),
        ("a.b\0", False),
        ("a.b\n", False),
        ("a" * 64 + ".example.com", False),
        (".".join(["a" * 60] * 5), False),
    ],
)
def test_what_a_domain_is(text, yes):
    assert is_domain(text) is yes


def test_sans_are_the_names_and_without_any_the_cn():
    authority = Authority("An Authority")
    assert names_of(server(authority, "a.example.com", "b.example.com").certificate) == [
        "a.example.com",
        "b.example.com",
    ]
    assert names_of(authority.sign("c.example.com").certificate) == ["c.example.com"]
    assert names_of(authority.issued.certificate) == []


def test_a_chain_is_read_to_its_end():
    one, two = Authority("One"), Authority("Two")
    both = [one.issued.certificate, two.issued.certificate]
    assert read_chain(one.pem + two.pem) == both
    assert read_chain(f"words\n{one.pem}\nmore\n{two.pem}\n") == both
    assert read_chain("") == read_chain(" \n") == []
    for damaged in (one.pem[:-40], one.pem + two.pem[:-40], "nonsense", one.pem.replace("M", "!", 1)):
        with pytest.raises(BadServerCertificate, match="CertificateChain"):
            read_chain(damaged)


def test_a_certificate_stands_under_a_root_only_by_its_signature():
    root, false = Authority("Root"), Authority("Root")
    between = Authority("Between")
    upper = issue(between.name, root.name, root.key, between.key, extensions=(CA_TRUE,)).certificate
    leaf = server(between, "iot.example.com").certificate
    roots = {root.issued.certificate.subject.public_bytes(): root.issued.certificate}
    assert stands_under(leaf, [upper], roots)
    assert stands_under(leaf, [upper, root.issued.certificate], roots)
    assert not stands_under(leaf, [], roots)
    wrong = {false.issued.certificate.subject.public_bytes(): false.issued.certificate}
    assert not stands_under(leaf, [upper], wrong)


PATH_0 = (x509.BasicConstraints(ca=True, path_length=0), True)
NO_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
NO_SIGNING = (x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
NAMED = (x509.NameConstraints([x509.DNSName("example.org")], None), True)


@pytest.mark.parametrize("extensions", [(), (NO_CA,), (CA_TRUE, NO_SIGNING), (CA_TRUE, NAMED)])
def test_what_is_no_authority_vouches_for_nothing_that_it_has_signed(extensions):
    root, between = Authority("Root"), Authority("Between")
    upper = issue(between.name, root.name, root.key, between.key, extensions=extensions).certificate
    leaf = server(between, "iot.example.com").certificate
    roots = {root.issued.certificate.subject.public_bytes(): root.issued.certificate}
    assert not stands_under(leaf, [upper], roots)
    assert not stands_under(leaf, [upper, root.issued.certificate], roots)


def test_an_authority_with_none_below_it_vouches_for_what_it_has_signed_itself():
    root, upper, lower = Authority("Root"), Authority("Upper"), Authority("Lower")
    over = issue(upper.name, root.name, root.key, upper.key, extensions=(PATH_0,)).certificate
    under = issue(lower.name, upper.name, upper.key, lower.key, extensions=(CA_TRUE,)).certificate
    roots = {root.issued.certificate.subject.public_bytes(): root.issued.certificate}
    assert stands_under(server(upper, "iot.example.com").certificate, [over], roots)
    assert not stands_under(server(lower, "iot.example.com").certificate, [under, over], roots)
