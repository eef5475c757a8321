"""A refusal in words says what was asked, what was looked at, and with which values."""

from datetime import UTC, datetime

from sekisho.cli.words import explain_refusal

AT = datetime(2026, 11, 23, 19, 32, 25, tzinfo=UTC)


def test_every_piece_of_evidence_is_there():
    text = explain_refusal(
        {
            "at": AT,
            "reason": "not authorized to publish to other/x",
            "clientId": "dev1",
            "action": "iot:Publish",
            "resource": "arn:aws:iot:r:a:topic/other/x",
            "decision": "IMPLICIT_DENY",
            "effect": "the connection was closed",
            "policies": [
                {
                    "policyName": "p",
                    "versionId": "2",
                    "statements": [
                        {
                            "index": 0,
                            "sid": "own",
                            "effect": "Allow",
                            "verdict": "resource differs",
                            "why": "W",
                        }
                    ],
                }
            ],
            "variables": {"iot:ClientId": "dev1"},
            "missingVariables": ["iot:Connection.Thing.ThingName"],
        }
    )
    assert text.splitlines() == [
        "2026-11-23T19:32:25+00:00  not authorized to publish to other/x",
        "  client      dev1",
        "  action      iot:Publish",
        "  resource    arn:aws:iot:r:a:topic/other/x",
        "  decision    denied: no statement allows it",
        "  effect      the connection was closed",
        "  policy p (version 2)",
        "    statement 0 own, Allow: resource differs",
        "      W",
        "  ${iot:ClientId} = dev1",
        "  ${iot:Connection.Thing.ThingName} has no value on this connection, so it stays literal "
        "and matches nothing",
    ]


def test_a_policy_that_an_authorizer_returned_has_no_version():
    policy = {"policyName": "(policy 1 of authorizer a)", "versionId": "", "statements": []}
    text = explain_refusal({"at": AT, "reason": "r", "decision": "IMPLICIT_DENY", "policies": [policy]})
    assert text.splitlines()[-1] == "  policy (policy 1 of authorizer a)"


def test_no_policy_at_all_is_said():
    text = explain_refusal({"at": AT, "reason": "r", "decision": "IMPLICIT_DENY", "policies": []})
    assert "no policy is attached" in text
