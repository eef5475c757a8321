"""Advice: every combination of answers has one, and none contradicts how AWS IoT works."""

import itertools
import json
import re

import pytest

from sekisho.logic.advice import QUESTIONS, TITLES, Situation, advise
from sekisho.logic.advice_commands import Place, commands_for, files_for
from sekisho.logic.policy_document import parse_policy
from sekisho.logic.templates import parse_template

PLACE = Place("000000000000", "us-east-1")
SITUATIONS = [
    Situation(*answers) for answers in itertools.product(*(answers for _, answers in QUESTIONS.values()))
]


def test_there_is_an_answer_to_everything_and_no_method_is_idle():
    assert len(SITUATIONS) == 2 * 2 * 2 * 2 * 3 * 3 * 2
    assert {advise(at).method for at in SITUATIONS} == set(TITLES)


@pytest.mark.parametrize(
    ("words", "method", "mode"),
    [
        # keys, reach, listed, installer, element, ca, places
        ("device yes yes no none platform one", "sign", "DEFAULT"),
        ("device yes no no token platform several", "sign", "DEFAULT"),
        ("factory yes yes no token platform one", "sign", "DEFAULT"),
        ("factory yes yes no none platform one", "make", "DEFAULT"),
        ("device yes no no none own one", "jitp", "DEFAULT"),
        ("device yes no no none own several", "jitp", "SNI_ONLY"),
        ("device yes no yes none maker one", "jitp", "SNI_ONLY"),
        ("device no no yes none platform one", "trusted-user", "DEFAULT"),
        ("device no no no none platform one", "claim", "DEFAULT"),
        ("factory no yes no token own one", "claim", "DEFAULT"),
        ("device no yes no vendor platform several", "manifest", "SNI_ONLY"),
        ("device yes no no vendor platform one", "jitp", "SNI_ONLY"),
    ],
)
def test_the_table(words, method, mode):
    advice = advise(Situation(*words.split()))
    assert (advice.method, advice.mode) == (method, mode)


@pytest.mark.parametrize("at", SITUATIONS, ids=lambda at: "-".join(getattr(at, name) for name in QUESTIONS))
def test_no_advice_contradicts_the_facts(at):
    advice = advise(at)
    commands = "\n".join(commands_for(at, advice, PLACE))
    said = " ".join((*advice.reasons, *advice.risks))
    assert advice.reasons and advice.risks and advice.others and advice.questions and commands

    # What each method rests on, and no other does.
    assert ("ca" in advice.needs) == (advice.method == "jitp") == ("register-ca-certificate" in commands)
    assert ("claim" in advice.needs) == (advice.method == "claim") == ("claim-policy.json" in commands)
    assert ("installer" in advice.needs) == (advice.method == "trusted-user")
    assert ("recipient" in advice.needs) == (advice.method == "make")
    if advice.method == "trusted-user":
        assert at.installer == "yes"
    if advice.method == "manifest":
        assert at.element == "vendor" and at.listed == "yes"
    # A CA is registered only if it signs the devices' certificates: somebody's own, or the chips' vendor's.
    if advice.method == "jitp":
        assert at.ca != "platform" or at.element == "vendor"

    # Nobody but the device knows the key unless that was allowed, and a token's keys are never made outside.
    if at.keys == "device" or at.element != "none":
        assert advice.method != "make"
    assert "create-keys-and-certificate" not in commands
    # What is the same in all devices gives none of them its own certificate.
    if at.reach == "no" and at.element != "vendor":
        assert advice.method in ("claim", "trusted-user")
    # A CA registered by proof belongs to one account and region, and needs its key.
    proved = "--verification-certificate" in commands
    assert proved == (advice.method == "jitp" and advice.mode == "DEFAULT")
    assert not proved or (at.places == "one" and at.ca == "own")
    assert ("--certificate-mode SNI_ONLY" in commands) == (
        advice.method == "jitp" and advice.mode == "SNI_ONLY"
    )
    assert ("multi_account_certificates" in said) == (advice.mode == "SNI_ONLY")
    if at.places == "several":
        assert "each" in said
    # A list helps only if somebody looks at it.
    if advice.method in ("claim", "trusted-user"):
        assert ("look each serial number up" in said) == (at.listed == "yes")
        assert ("certificate provider" in said) == (at.ca != "platform")


@pytest.mark.parametrize(
    "at", SITUATIONS[::5], ids=lambda at: "-".join(getattr(at, name) for name in QUESTIONS)
)
def test_the_files_are_those_that_the_commands_name_and_are_good(at):
    advice = advise(at)
    commands = "\n".join(commands_for(at, advice, PLACE))
    files = files_for(advice, PLACE)
    named = set(re.findall(r"file://(\S+\.json)", commands))
    assert named == set(files)
    for name, text in files.items():
        if name == "template.json":
            kind = "JITP" if advice.method == "jitp" else "FLEET_PROVISIONING"
            assert {resource.type for resource in parse_template(text, kind).resources} == {
                "AWS::IoT::Thing",
                "AWS::IoT::Certificate",
                "AWS::IoT::Policy",
            }
        else:
            parse_policy(text)
            assert all(
                resource.startswith("arn:aws:iot:us-east-1:000000000000:") and not resource.endswith(":*")
                for statement in json.loads(text)["Statement"]
                for resource in statement["Resource"]
            )


def test_an_unknown_answer_is_named():
    with pytest.raises(ValueError, match="element: 'tpm' is none of none, token, vendor"):
        advise(Situation("device", "yes", "yes", "no", "tpm", "own", "one"))
