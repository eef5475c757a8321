"""Which way a device should get its credentials: a decision over what may be known to whom.

Sources: AWS whitepaper "Device Manufacturing and Provisioning with X.509 Certificates in AWS IoT Core"; AWS
IoT Developer Guide, "Device provisioning" and "X.509 client certificates".
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

Method = Literal["manifest", "sign", "make", "jitp", "trusted-user", "claim"]


@dataclass(frozen=True, slots=True)
class Situation:
    """The answers; their words are those of `QUESTIONS`."""

    keys: str
    reach: str
    listed: str
    installer: str
    element: str
    ca: str
    places: str


QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "keys": (
        "Who may know a device's private key?",
        {"device": "nobody but the device", "factory": "who makes the devices, for as long as that takes"},
    ),
    "reach": (
        "Can each device be given something of its own before its first boot?",
        {
            "yes": "yes, each is connected to the line's computer once",
            "no": "no, all leave with the same image",
        },
    ),
    "listed": (
        "Is there a list of the devices before they connect?",
        {"yes": "yes: serial numbers, CSRs, or a vendor's manifest", "no": "no"},
    ),
    "installer": (
        "Does somebody you trust install each device, with an app?",
        {"yes": "yes", "no": "no"},
    ),
    "element": (
        "What is in the device?",
        {
            "none": "nothing special: the key is in a file or in flash",
            "token": "a secure element that makes its own keys",
            "vendor": "a secure element that comes with its vendor's certificate",
        },
    ),
    "ca": (
        "Whose CA signs the devices' certificates?",
        {"platform": "the platform's", "own": "our own", "maker": "the contract manufacturer's"},
    ),
    "places": (
        "Where will one device connect?",
        {"one": "to one account in one region", "several": "to several accounts or regions"},
    ),
}
"""Each question and the answers to choose from, in the order in which they are asked."""

assert tuple(QUESTIONS) == tuple(field.name for field in fields(Situation))

TITLES: dict[Method, str] = {
    "manifest": "the vendor's certificates, registered without their CA",
    "sign": "certificates for the devices' own requests, at the factory",
    "make": "keys and certificates made in bulk, handed over encrypted",
    "jitp": "a registered CA, and provisioning at the first connection",
    "trusted-user": "fleet provisioning with a claim of five minutes, by an installer",
    "claim": "fleet provisioning with a claim certificate that a batch shares",
}


class Advice(NamedTuple):
    """A method and what speaks for it and against it.

    ``needs`` says which of ``ca`` (a registered CA), ``claim`` (a shared claim certificate), ``installer``,
    ``request`` (a CSR per device), ``recipient`` (who opens hand-overs) and ``manifest`` must be there;
    ``mode`` is the certificateMode of the devices' certificates, and ``questions`` are those of the seminar.
    """

    method: Method
    needs: frozenset[str]
    mode: Literal["DEFAULT", "SNI_ONLY"]
    reasons: tuple[str, ...]
    risks: tuple[str, ...]
    others: tuple[str, ...]
    questions: tuple[int, ...]

    @property
    def title(self) -> str:
        return TITLES[self.method]


def check_answer(name: str, given: str) -> None:
    """ValueError for an answer that is none of the question's."""
    _, answers = QUESTIONS[name]
    if given not in answers:
        raise ValueError(f"{name}: {given!r} is none of {', '.join(answers)}")


def advise(at: Situation) -> Advice:
    """The method for a situation; raises ValueError for an answer that is none of `QUESTIONS`."""
    for name in QUESTIONS:
        check_answer(name, getattr(at, name))
    if at.element == "vendor":
        return _manifest(at) if at.listed == "yes" else _jitp(at)
    if at.reach == "no":
        return _trusted_user(at) if at.installer == "yes" else _claim(at)
    if at.ca != "platform":
        return _jitp(at)
    return _sign(at) if at.keys == "device" or at.element == "token" else _make(at)


def _manifest(at: Situation) -> Advice:
    return Advice(
        "manifest",
        frozenset({"manifest"}),
        "SNI_ONLY",
        (
            "The chips have certificates already; nobody but the chip ever had the key.",
            "Only the chips of your manifest get in: the vendor's CA, which signs for others too, is not "
            "registered.",
        ),
        (
            "Whoever can register a certificate decides who is a device: give RegisterCertificateWithoutCA "
            "to few; the audit names them.",
            *_elsewhere(at, "SNI_ONLY"),
        ),
        ("jitp with the vendor's CA, if it signs for nobody but you",),
        (2, 10, 16, 17),
    )


def _sign(at: Situation) -> Advice:
    why = (
        "The token makes the key, and it never leaves it."
        if at.element == "token"
        else "The device makes its key, and it never leaves it; what travels is a request and a certificate."
    )
    listed = (
        "The list is known: every device is registered before it first connects, and nothing else gets in."
        if at.listed == "yes"
        else "No list is needed beforehand: the folder of requests that the line has written is the list."
    )
    return Advice(
        "sign",
        frozenset({"request"}),
        "DEFAULT",
        (why, listed),
        (
            "A request that somebody slips into the folder becomes a device: let only the line write there.",
            *_elsewhere(at, "DEFAULT"),
        ),
        ("bulk registration (StartThingRegistrationTask), if the requests are in one file",),
        (8, 11, 12, *((17,) if at.element == "token" else ())),
    )


def _make(at: Situation) -> Advice:
    return Advice(
        "make",
        frozenset({"recipient"}),
        "DEFAULT",
        (
            "Devices need not be able to make keys, and the line needs no connection while it works.",
            "A key is in memory until it is encrypted for the recipient, and on no disk in plain.",
        ),
        (
            "The recipient can read every key of its batch: take one recipient per batch, and destroy its "
            "key afterwards.",
            *_elsewhere(at, "DEFAULT"),
        ),
        ("sign, as soon as the devices can make their own keys",),
        (8, 11, 12),
    )


def _jitp(at: Situation) -> Advice:
    vendor = at.element == "vendor"
    mode: Literal["DEFAULT", "SNI_ONLY"] = (
        "DEFAULT" if at.ca == "own" and at.places == "one" and not vendor else "SNI_ONLY"
    )
    whose = "the vendor's" if vendor else "your own" if at.ca == "own" else "the contract manufacturer's"
    reasons = [
        f"Certificates of {whose} CA are put in at the factory, which needs no connection to the platform.",
        "A device is registered, named and given its policy when it first connects.",
    ]
    if mode == "SNI_ONLY":
        reasons.append(
            "The CA is registered as SNI_ONLY, for which its key need not sign a proof"
            + (", and which several accounts may do." if at.places == "several" else ".")
        )
    if at.ca == "maker" and not vendor:
        reasons.append("Register only the intermediate of this batch, and set it INACTIVE when it is done.")
    if at.keys == "device" and not vendor:
        reasons.append("The device makes its key; what the CA gets is a request.")
    risks = [
        "Whatever this CA signs becomes a device: it must sign for nothing else.",
        "Without the CA in the client's chain, the device must send SNI.",
    ]
    if vendor:
        risks.append(
            "A vendor's CA that signs for other customers lets their chips in: ask for a signer of your own, "
            "or for the manifest."
        )
    if at.listed == "yes" and not vendor:
        risks.append(
            "The list is not looked at: to let in nothing else, register the certificates one by one "
            "(RegisterCertificate), or leave out the template and check each in a function (JITR)."
        )
    others = ["RegisterCertificate for each certificate, with automatic registration off"]
    if vendor:
        others.append("manifest, as soon as the vendor sends one")
    return Advice(
        "jitp",
        frozenset({"ca"}),
        mode,
        tuple(reasons),
        (*risks, *_keys_known(at), *_elsewhere(at, mode)),
        tuple(others),
        (9, 11, 16, *((17,) if at.element != "none" else ())),
    )


def _trusted_user(at: Situation) -> Advice:
    return Advice(
        "trusted-user",
        frozenset({"installer"}),
        "DEFAULT",
        (
            "Devices leave the factory without any credentials; the installer's app brings a claim that ends "
            "after five minutes.",
            "The device makes its own key; the platform signs its request.",
        ),
        (
            "Whoever has the app's rights can make devices: let its identity do CreateProvisioningClaim on "
            "this one template and nothing else.",
            *_unlisted(at),
            *_signer(at),
            *_elsewhere(at, "DEFAULT"),
        ),
        ("claim, for devices that nobody installs",),
        (8, 11, 12, *((17,) if at.element == "token" else ())),
    )


def _claim(at: Situation) -> Advice:
    return Advice(
        "claim",
        frozenset({"claim"}),
        "DEFAULT",
        (
            "All devices can leave with the same image; each makes its own key and gets a certificate of its "
            "own when it first connects.",
        ),
        (
            "The claim's key is in every device, so somebody will get it out: its policy must allow "
            "provisioning and nothing else, and it is set INACTIVE when the batch is done.",
            *_unlisted(at),
            *_signer(at),
            *_elsewhere(at, "DEFAULT"),
        ),
        ("trusted-user, if somebody with an app installs the devices",),
        (8, 11, 12, *((17,) if at.element == "token" else ())),
    )


def _unlisted(at: Situation) -> tuple[str, ...]:
    if at.listed == "yes":
        return (
            "Have a pre-provisioning hook look each serial number up in the list, which is idle without.",
        )
    return ("There is no list, so a pre-provisioning hook can only judge by what the device says of itself.",)


def _signer(at: Situation) -> tuple[str, ...]:
    if at.ca == "platform":
        return ()
    return ("The platform's CA signs, unless a certificate provider has another CA do it (by CSR only).",)


def _keys_known(at: Situation) -> tuple[str, ...]:
    if at.keys == "factory" and at.element == "none":
        return (
            "If the line makes the keys, it must forget them: better let the device make a CSR for your CA.",
        )
    return ()


def _elsewhere(at: Situation, mode: str) -> tuple[str, ...]:
    """What is to be said of several accounts and regions."""
    found = []
    if at.places == "several":
        found.append(
            "A certificate of the platform is good in one account and region: the device needs one for each, "
            "or certificates of a CA of your own."
            if mode == "DEFAULT"
            else "The same certificate is registered in each account and region, with a status, policy and "
            "thing of its own there: it is revoked in each, too."
        )
    if mode == "SNI_ONLY":
        found.append(
            "Such certificates are refused at the jobs and credentials endpoints unless "
            'multi_account_certificates = "all"; over MQTT everything works.'
        )
    return tuple(found)
