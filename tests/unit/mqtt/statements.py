"""The normative statements of MQTT 5 and 3.1.1 (appendix B of each), and which of them no test of ours cites.

A test cites a statement in its docstring, its case's name or a comment beside what it checks: [MQTT-3.1.2-5]
is one of MQTT 5, [3.1.1 MQTT-3.1.2-5] one of 3.1.1; the numbers of the two differ. `test_statements` holds
that each statement is cited or is here with the reason why not.
"""

from collections.abc import Iterator

FIVE, THREE = "MQTT 5", "MQTT 3.1.1"


def _numbers(sections: str) -> frozenset[str]:
    """`1.5.4:3` stands for 1.5.4-1 to 1.5.4-3, `2.2.1:2-6` for 2.2.1-2 to 2.2.1-6."""

    def each() -> Iterator[str]:
        for section, _, span in (item.partition(":") for item in sections.split()):
            first, _, last = span.rpartition("-")
            yield from (f"{section}-{number}" for number in range(int(first or 1), int(last) + 1))

    return frozenset(each())


STATEMENTS = {
    FIVE: _numbers(
        "1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:2-6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2 3.2.2:22"
        " 3.3.1:13 3.3.2:20 3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5 3.8.4:8 3.9.2:2"
        " 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1 3.14.2:4 3.14.4:3"
        " 3.15.1:1 3.15.2:3 4.1.0:2 4.2:1 4.3.1:1 4.3.2:5 4.3.3:13 4.4.0:2 4.5.0:2 4.6.0:6 4.7.0:1 4.7.1:2"
        " 4.7.2:1 4.7.3:4 4.8.2:6 4.9.0:3 4.12.0:7 4.12.1:2 4.13.1:1 4.13.2:1 6.0.0:4"
    ),
    THREE: _numbers(
        "1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1"
        " 3.3.5:2 3.6.1:1 3.8.1:1 3.8.3:4 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1"
        " 3.14.4:3 4.1.0:2 4.3.1:1 4.3.2:2 4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4 4.8.0:2"
        " 6.0.0:4 7.0.0:2 7.1.1:1 7.1.2:1"
    ),
}

CLIENT = "a client must; a server can neither see nor enforce it"
UNSAID = "about a reason string or user property that the node never puts into such a packet"
NO_AUTH = "about enhanced authentication, which AWS does not have (AWS IoT Developer Guide, MQTT)"

UNCITED: dict[str, dict[str, str]] = {
    FIVE: {
        "3.1.2-20": CLIENT,  # PINGREQ in time: what a server does without is 3.1.2-22
        "3.1.2-21": CLIENT,  # the server's keep alive is used
        "3.1.2-30": CLIENT,  # nothing but AUTH and DISCONNECT before the CONNACK of enhanced authentication
        "3.2.2-4": CLIENT,  # session present, but the client has none
        "3.2.2-5": CLIENT,  # the other way
        "3.2.2-10": "AWS: a SUBSCRIBE of QoS 2 ends the connection, 0x9B (AWS IoT Developer Guide, MQTT)",
        "3.2.2-18": CLIENT,  # the node always says its Topic Alias Maximum
        "3.2.2-20": UNSAID,
        "3.2.2-21": CLIENT,  # as 3.1.2-21
        "3.2.2-22": "the node always says Server Keep Alive",
        "3.3.2-10": CLIENT,  # every alias up to its own maximum is accepted
        "3.3.4-8": CLIENT,  # does not delay other packets while its window is full
        "3.4.2-3": UNSAID,
        "3.5.2-3": UNSAID,
        "3.6.2-2": UNSAID,
        "3.6.2-3": UNSAID,
        "3.7.2-2": UNSAID,
        "3.7.2-3": UNSAID,
        "3.9.2-1": UNSAID,
        "3.9.2-2": UNSAID,
        "3.11.2-1": UNSAID,
        "3.11.2-2": UNSAID,
        "3.14.2-4": UNSAID,
        "3.15.2-1": NO_AUTH,
        "3.15.2-2": NO_AUTH,
        "3.15.2-3": NO_AUTH,
        "4.5.0-2": CLIENT,  # acknowledges also what it does not process
        "4.6.0-1": CLIENT,  # sends again in the first order
        "4.6.0-2": CLIENT,  # PUBACK in the order of PUBLISH
        "4.6.0-3": CLIENT,  # the same for PUBREC
        "4.6.0-4": CLIENT,  # and PUBREL
        "4.12.0-2": NO_AUTH,
        "4.12.0-3": NO_AUTH,
        "4.12.0-4": NO_AUTH,
        "4.12.0-5": NO_AUTH,
        "4.12.1-1": NO_AUTH,
        "4.12.1-2": NO_AUTH,
    },
    THREE: {
        "2.3.1-2": CLIENT,  # an unused packet identifier for each new packet
        "2.3.1-3": CLIENT,  # the same one when it sends again
        "3.1.2-23": CLIENT,  # PINGREQ in time
        "3.1.3-6": "a server may refuse an empty client identifier; AWS's does in 3.1.1",
        "3.1.3-7": CLIENT,  # clean session with an empty client identifier; a server's part is 3.1.3-8
        "3.8.3-2": "about servers without wildcards",
        "3.14.4-1": CLIENT,  # closes after DISCONNECT
        "4.5.0-2": CLIENT,  # acknowledges also what it does not process
        "4.6.0-2": CLIENT,  # PUBACK in the order of PUBLISH
        "4.6.0-3": CLIENT,  # the same for PUBREC
        "4.6.0-4": CLIENT,  # and PUBREL
        "7.0.0-1": "about servers that connect to other servers, which the node does not",
        "7.1.2-1": CLIENT,  # an ordered, lossless transport
    },
}

NOT_RESUMED = "not in a resumed session: what is no longer subscribed to is not sent there"

DIFFERENT = {
    FIVE: {
        "3.3.1-9": "AWS: to a subscription whose filter is exactly the topic; the extended profile keeps it",
        "3.3.1-10": "AWS: the same",
        "3.10.4-3": NOT_RESUMED,
        "4.4.0-1": "AWS, of QoS 1: with new packet identifiers and without DUP; on the same connection, too",
        "6.0.0-4": "`mqttv3.1` is answered with itself: AWS's older clients offer only that",
    },
    THREE: {
        "3.1.2-2": "AWS: closed without a CONNACK; the extended profile answers",
        "3.1.3-8": "AWS: the same",
        "3.1.3-9": "AWS: the same",
        "3.3.1-6": "AWS: to a subscription whose filter is exactly the topic; the extended profile keeps it",
        "3.10.4-3": NOT_RESUMED,
        "4.4.0-1": "AWS, of QoS 1: with new packet identifiers and without DUP",
        "6.0.0-4": "`mqttv3.1` is answered with itself: AWS's older clients offer only that",
    },
}
"""Cited, and tested as far as they are kept; how far that is."""
