"""Domain configurations: made, read, changed, listed, deleted; and what each of them refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from api.authorities import Authority, self_signed
from api.callers import denied, policy, user
from api.making import ACCOUNT, REGION, UNCHECKED, arn, listed, not_implemented, refused
from api.servers import SERVER_AUTH, brought, named, server

DEFAULT_TLS = {"securityPolicy": "IoTSecurityPolicy_TLS13_1_2_2022_10"}
BUILT_IN = {"iot:CredentialProvider": "CREDENTIAL_PROVIDER", "iot:Data-ATS": "DATA", "iot:Jobs": "JOBS"}
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hook"
WEEK = 7 * 86400


@pytest.fixture(scope="module")
def authority():
    return Authority("An Authority")


@pytest.fixture(autouse=True)
def tidy(iot, own):
    """There may be ten of them: what a test has made goes with it."""
    yield
    own.set_clock(frozen=True)
    own.set_clock(advanceSeconds=WEEK)
    for name in set(names(iot)) - set(BUILT_IN):
        iot.update_domain_configuration(domainConfigurationName=name, domainConfigurationStatus="DISABLED")
    own.set_clock(advanceSeconds=WEEK)
    for name in set(names(iot)) - set(BUILT_IN):
        iot.delete_domain_configuration(domainConfigurationName=name)
    own.set_clock(reset=True)


def names(iot, **members):
    return [
        one["domainConfigurationName"]
        for one in listed(iot, "list_domain_configurations", "domainConfigurations", **members)
    ]


@pytest.fixture
def host(name):
    return f"{name}.example.com".lower()


@pytest.fixture
def issued(acm, host):
    return acm.request_certificate(DomainName=host, KeyAlgorithm="EC_prime256v1")["CertificateArn"]


@pytest.fixture
def make(iot, name):
    def make(**members):
        return iot.create_domain_configuration(domainConfigurationName=name, **members)

    return make


@pytest.fixture
def read(iot, name):
    def read():
        found = iot.describe_domain_configuration(domainConfigurationName=name)
        del found["ResponseMetadata"]
        return found

    return read


@pytest.fixture
def change(iot, name):
    def change(**members):
        return iot.update_domain_configuration(domainConfigurationName=name, **members)

    return change


def test_one_of_a_domain_of_ones_own(iot, acm, make, read, change, name, host, issued, turned):
    tags = [{"Key": "a", "Value": "b"}]
    made = make(domainName=host, serverCertificateArns=[issued], serviceType="DATA", tags=tags)
    whole = made["domainConfigurationArn"]
    assert made["domainConfigurationName"] == name
    assert whole.startswith(arn(f"domainconfiguration/{name}/"))
    found = read()
    before = found.pop("lastStatusChangeDate")
    assert before <= datetime.now(UTC)
    assert found == {
        "domainConfigurationName": name,
        "domainConfigurationArn": whole,
        "domainName": host,
        "serverCertificates": [{"serverCertificateArn": issued, "serverCertificateStatus": "VALID"}],
        "domainConfigurationStatus": "ENABLED",
        "serviceType": "DATA",
        "domainType": "CUSTOMER_MANAGED",
        "tlsConfig": DEFAULT_TLS,
        "authenticationType": "DEFAULT",
        "applicationProtocol": "DEFAULT",
    }
    assert iot.list_tags_for_resource(resourceArn=whole)["tags"] == tags
    iot.untag_resource(resourceArn=whole, tagKeys=["a"])
    assert iot.list_tags_for_resource(resourceArn=whole)["tags"] == []
    with refused("ResourceNotFoundException", 404):
        iot.list_tags_for_resource(resourceArn=whole[:-1] + "?")
    assert acm.describe_certificate(CertificateArn=issued)["Certificate"]["InUseBy"] == [whole]
    with refused("ResourceInUseException", 400, name):
        acm.delete_certificate(CertificateArn=issued)
    with refused("InvalidRequestException", 400, "must be disabled"):
        iot.delete_domain_configuration(domainConfigurationName=name)
    turned.set_clock(advanceSeconds=60)
    assert change(domainConfigurationStatus="DISABLED")["domainConfigurationArn"] == whole
    disabled = read()
    assert disabled["domainConfigurationStatus"] == "DISABLED"
    assert disabled["lastStatusChangeDate"] > before
    turned.set_clock(advanceSeconds=60)
    change(domainConfigurationStatus="DISABLED")
    assert read()["lastStatusChangeDate"] == disabled["lastStatusChangeDate"]
    iot.delete_domain_configuration(domainConfigurationName=name)
    for again in (read, change, lambda: iot.delete_domain_configuration(domainConfigurationName=name)):
        with refused("ResourceNotFoundException", 404, name):
            again()
    acm.delete_certificate(CertificateArn=issued)


def test_one_of_a_domain_of_the_nodes(iot, make, read, change, name, turned):
    make()
    found = read()
    assert (found["domainType"], found["serverCertificates"]) == ("AWS_MANAGED", [])
    assert found["domainName"].endswith(f"-ats.iot.{REGION}.sekisho.localhost")
    change(domainConfigurationStatus="DISABLED")
    turned.set_clock(advanceSeconds=WEEK - 1)
    with refused("InvalidRequestException", 400, "at least 7 days"):
        iot.delete_domain_configuration(domainConfigurationName=name)
    turned.set_clock(advanceSeconds=1)
    iot.delete_domain_configuration(domainConfigurationName=name)


def test_every_account_has_those_of_the_default_endpoints(iot):
    for name, service in BUILT_IN.items():
        found = iot.describe_domain_configuration(domainConfigurationName=name)
        assert (found["domainType"], found["serviceType"]) == ("ENDPOINT", service)
        assert found["domainConfigurationArn"] == arn(f"domainconfiguration/{name}")
        assert found["domainName"] == iot.describe_endpoint(endpointType=name)["endpointAddress"]
        with refused("InvalidRequestException", 400, "default endpoint"):
            iot.update_domain_configuration(
                domainConfigurationName=name, domainConfigurationStatus="DISABLED"
            )


def test_those_have_settings_too(iot):
    def set_policy(name, policy):
        iot.update_domain_configuration(
            domainConfigurationName=name, tlsConfig={"securityPolicy": f"IoTSecurityPolicy_{policy}"}
        )
        found = iot.describe_domain_configuration(domainConfigurationName=name)["tlsConfig"]
        assert found["securityPolicy"].endswith(policy)

    for name in BUILT_IN:
        set_policy(name, "TLS12_1_2_2022_10")
        set_policy(name, "TLS13_1_2_2022_10")
    with refused("InvalidRequestException", 400, "authenticationType"):
        iot.update_domain_configuration(domainConfigurationName="iot:Jobs", authenticationType="AWS_X509")
    assert names(iot) == sorted(BUILT_IN)


def test_they_are_listed_in_order_over_pages_by_service(iot, name):
    for n in range(3):
        iot.create_domain_configuration(domainConfigurationName=f"{name}-{n}")
    mine = [f"{name}-{n}" for n in range(3)]
    assert names(iot) == sorted([*BUILT_IN, *mine])
    assert names(iot, PaginationConfig={"PageSize": 1}) == sorted([*BUILT_IN, *mine])
    assert names(iot, serviceType="DATA") == sorted(["iot:Data-ATS", *mine])
    assert names(iot, serviceType="JOBS") == ["iot:Jobs"]
    with refused("InvalidRequestException", 400, "page token"):
        iot.list_domain_configurations(marker="a")


def test_there_may_be_ten(iot, name):
    for n in range(10):
        iot.create_domain_configuration(domainConfigurationName=f"{name}-{n}")
    with refused("LimitExceededException", 410, "10"):
        iot.create_domain_configuration(domainConfigurationName=name)


def test_a_name_is_taken_once_and_so_is_a_domain(iot, node, make, name, host, issued, acm):
    make(domainName=host.upper(), serverCertificateArns=[issued])
    with refused("ResourceAlreadyExistsException", 409, name):
        make()
    with refused("ResourceAlreadyExistsException", 409, host):
        iot.create_domain_configuration(
            domainConfigurationName=f"{name}-2", domainName=host, serverCertificateArns=[issued]
        )
    with refused("InvalidRequestException", 400, "domainConfigurationName"):
        node.client("iot", config=UNCHECKED).create_domain_configuration(domainConfigurationName="iot:mine")


def test_a_domain_and_its_certificate_go_together(make, host, issued):
    with refused("InvalidRequestException", 400, "valid domain name"):
        make(serverCertificateArns=[issued])
    with refused("InvalidRequestException", 400, "serverCertificateArns"):
        make(domainName=host)
    for wrong in ("localhost", "a..b", "*.example.com", "x.iot.us-east-1.sekisho.localhost"):
        with refused("InvalidRequestException", 400, wrong):
            make(domainName=wrong, serverCertificateArns=[issued])
    missing = issued[:-8] + "00000000"
    with refused("InvalidRequestException", 400, missing):
        make(domainName=host, serverCertificateArns=[missing])
    elsewhere = issued.replace(REGION, "eu-west-1")
    with refused("InvalidRequestException", 400, elsewhere):
        make(domainName=host, serverCertificateArns=[elsewhere])


def test_data_alone(make):
    with refused("InvalidRequestException", 400, "JOBS"):
        make(serviceType="JOBS")


def unfit(authority, host):
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    long_key = ec.generate_private_key(ec.SECP384R1())
    return {
        "does not cover": server(authority, f"other.{host}"),
        "serverAuth": server(authority, host, usage=False),
        "RSA_3072": server(authority, host, key=rsa_key),
        "EC_secp384r1": server(authority, host, key=long_key),
        "5 domain names": server(authority, host, *(f"{n}.{host}" for n in range(4))),
    }


def test_a_certificate_must_be_right_for_the_domain(acm, make, authority, host, issued):
    for words, papers in unfit(authority, host).items():
        wrong = acm.import_certificate(**brought(papers, authority))["CertificateArn"]
        with refused("CertificateValidationException", 400, words):
            make(domainName=host, serverCertificateArns=[wrong], validationCertificateArn=issued)


def test_a_wildcard_covers_one_level(acm, iot, make, read, name, host):
    wild = acm.request_certificate(DomainName=f"*.{host}")["CertificateArn"]
    with refused("CertificateValidationException", 400, "does not cover"):
        make(domainName=f"a.b.{host}", serverCertificateArns=[wild])
    make(domainName=f"a.{host}", serverCertificateArns=[wild])
    iot.create_domain_configuration(
        domainConfigurationName=f"{name}-2", domainName=f"b.{host}", serverCertificateArns=[wild]
    )


def test_one_of_a_private_authority_needs_a_validation_certificate(acm, make, read, authority, host, issued):
    papers = server(authority, host)
    mine = acm.import_certificate(**brought(papers, authority))["CertificateArn"]
    with refused("CertificateValidationException", 400, "private CA", "validationCertificateArn"):
        make(domainName=host, serverCertificateArns=[mine])
    with refused("CertificateValidationException", 400, "neither issued by ACM"):
        make(domainName=host, serverCertificateArns=[mine], validationCertificateArn=mine)
    other = acm.request_certificate(DomainName=f"other.{host}")["CertificateArn"]
    with refused("CertificateValidationException", 400, "does not cover"):
        make(domainName=host, serverCertificateArns=[mine], validationCertificateArn=other)
    make(domainName=host, serverCertificateArns=[mine], validationCertificateArn=issued)
    with refused("ResourceInUseException", 400):
        acm.delete_certificate(CertificateArn=issued)
    alone = self_signed(host, extensions=(named(host), SERVER_AUTH))
    acm.import_certificate(CertificateArn=mine, **brought(alone))
    assert read()["serverCertificates"][0]["serverCertificateStatus"] == "VALID"


def test_a_certificate_that_becomes_wrong_is_told(acm, make, read, authority, host, issued, turned):
    papers = server(authority, host)
    mine = acm.import_certificate(**brought(papers, authority))["CertificateArn"]
    make(domainName=host, serverCertificateArns=[mine], validationCertificateArn=issued)

    def told():
        (found,) = read()["serverCertificates"]
        return found["serverCertificateStatus"], found.get("serverCertificateStatusDetail", "")

    assert told() == ("VALID", "")
    elsewhere = server(authority, f"other.{host}")
    acm.import_certificate(CertificateArn=mine, **brought(elsewhere, authority))
    assert told()[0] == "INVALID" and "does not cover" in told()[1]
    acm.import_certificate(CertificateArn=mine, **brought(papers, authority))
    turned.set_clock(advanceSeconds=366 * 86400)
    assert told()[0] == "INVALID" and "expired" in told()[1]


@pytest.mark.parametrize(
    ("authentication", "protocols"),
    [
        ("DEFAULT", {"DEFAULT", "SECURE_MQTT", "MQTT_WSS", "HTTPS"}),
        ("AWS_X509", {"SECURE_MQTT", "HTTPS"}),
        ("AWS_SIGV4", {"MQTT_WSS", "HTTPS"}),
        ("CUSTOM_AUTH", {"SECURE_MQTT", "MQTT_WSS", "HTTPS"}),
        ("CUSTOM_AUTH_X509", {"SECURE_MQTT", "HTTPS"}),
    ],
)
def test_authentication_and_protocol_go_together(make, read, change, authentication, protocols):
    make()
    for protocol in ("DEFAULT", "SECURE_MQTT", "MQTT_WSS", "HTTPS"):
        both = {"authenticationType": authentication, "applicationProtocol": protocol}
        if protocol in protocols:
            change(**both)
            assert read() | both == read()
        else:
            with refused("InvalidRequestException", 400, authentication, protocol):
                change(**both)


def test_settings_are_changed_one_by_one(make, read, change):
    make(authenticationType="AWS_X509", applicationProtocol="HTTPS")
    change(tlsConfig={"securityPolicy": "IoTSecurityPolicy_TLS13_1_3_2022_10"})
    change(clientCertificateConfig={"clientCertificateCallbackArn": FUNCTION})
    change(applicationProtocol="SECURE_MQTT")
    found = read()
    assert found["tlsConfig"]["securityPolicy"].endswith("TLS13_1_3_2022_10")
    assert found["clientCertificateConfig"] == {"clientCertificateCallbackArn": FUNCTION}
    assert (found["authenticationType"], found["applicationProtocol"]) == ("AWS_X509", "SECURE_MQTT")
    with refused("InvalidRequestException", 400, "clientCertificateConfig"):
        change(authenticationType="DEFAULT", applicationProtocol="DEFAULT")
    change(clientCertificateConfig={"clientCertificateCallbackArn": ""})
    assert "clientCertificateConfig" not in read()
    with refused("InvalidRequestException", 400, "IoTSecurityPolicy_None"):
        change(tlsConfig={"securityPolicy": "IoTSecurityPolicy_None"})
    with refused("InvalidRequestException", 400, "eu-west-1"):
        change(
            clientCertificateConfig={"clientCertificateCallbackArn": FUNCTION.replace(REGION, "eu-west-1")}
        )


def test_an_authorizer_must_be_there(make, change, read):
    with refused("InvalidRequestException", 400, "authorizer nobody does not exist"):
        make(authorizerConfig={"defaultAuthorizerName": "nobody"})
    make(authorizerConfig={"allowAuthorizerOverride": True})
    assert read()["authorizerConfig"] == {"allowAuthorizerOverride": True}
    with refused("InvalidRequestException", 400, "exclude each other"):
        change(authorizerConfig={"allowAuthorizerOverride": True}, removeAuthorizerConfig=True)
    change(removeAuthorizerConfig=True)
    assert "authorizerConfig" not in read()


@pytest.mark.parametrize("member", ["ocspLambdaArn", "ocspAuthorizedResponderArn"])
def test_answers_of_somebody_else_are_not_there_and_say_so(make, issued, member):
    value = {"ocspLambdaArn": FUNCTION, "ocspAuthorizedResponderArn": issued}[member]
    with not_implemented(f"serverCertificateConfig.{member}"):
        make(serverCertificateConfig={member: value})


def test_what_is_stapled_must_be_somewhere(acm, make, change, read, authority, host, issued):
    stapling = {"enableOCSPCheck": True}
    with refused("InvalidRequestException", 400, "enableOCSPCheck", "node's own"):
        make(serverCertificateConfig=stapling)
    alone = self_signed(host, extensions=(named(host), SERVER_AUTH))
    mine = acm.import_certificate(**brought(alone))["CertificateArn"]
    members = {"domainName": host, "serverCertificateArns": [mine], "validationCertificateArn": issued}
    with refused("InvalidRequestException", 400, "self-signed"):
        make(serverCertificateConfig=stapling, **members)
    acm.import_certificate(CertificateArn=mine, **brought(server(authority, host), authority))
    make(**members)
    for wrong in ("", "https://ocsp.example.com", "ldap://ocsp.example.com", "http://[", "http://a:b/"):
        papers = server(authority, host, ocsp=wrong)
        acm.import_certificate(CertificateArn=mine, **brought(papers, authority))
        with refused("InvalidRequestException", 400, "names no OCSP responder"):
            change(serverCertificateConfig=stapling)
    papers = server(authority, host, ocsp="http://ocsp.example.com/")
    acm.import_certificate(CertificateArn=mine, **brought(papers, authority))
    change(serverCertificateConfig=stapling)
    assert read()["serverCertificateConfig"] == stapling


def test_policies_say_who_may(node, iam, make, name):
    made = make()["domainConfigurationArn"]
    client = user(node, iam, name, policy("iot:DescribeDomainConfiguration", resource=made))("iot")
    assert (
        client.describe_domain_configuration(domainConfigurationName=name)["domainConfigurationArn"] == made
    )
    with denied("iot:UpdateDomainConfiguration", made):
        client.update_domain_configuration(domainConfigurationName=name)
