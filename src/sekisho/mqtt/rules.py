"""What a client may say, beyond what the codec can tell: by protocol, by profile and by limits."""

from sekisho.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Properties,
    Pubcomp,
    Pubrec,
    Pubrel,
    Subscribe,
    Violation,
    Will,
)
from sekisho.mqtt.primitives import MalformedPacket
from sekisho.mqtt.profile import Limits, Profile
from sekisho.mqtt.reasons import Reason
from sekisho.mqtt.topics import check_topic, parse_share

FROM_SERVER = {2: "CONNACK", 9: "SUBACK", 11: "UNSUBACK", 13: "PINGRESP"}
"""Packet type -> name of the packets that only a server sends (table 2-1)."""


def check_connect(packet: Connect, profile: Profile, limits: Limits) -> Violation | None:
    """What is wrong with a CONNECT, or None."""
    client_id = packet.client_id
    if not client_id:
        # MQTT 5 has the server assign one [MQTT-3.1.3-6]; in 3.1.1 it may refuse even with a clean session,
        # and must without [3.1.1 MQTT-3.1.3-8]. AWS always refuses.
        if packet.version == 4:
            return Violation(Reason.CLIENT_IDENTIFIER_NOT_VALID, "the client identifier is empty")
    elif client_id.startswith("$"):
        return Violation(Reason.CLIENT_IDENTIFIER_NOT_VALID, "the client identifier starts with $")
    elif len(client_id.encode()) > limits.client_id:
        return Violation(
            Reason.CLIENT_IDENTIFIER_NOT_VALID,
            f"the client identifier is longer than {limits.client_id} bytes",
        )
    if "authentication_method" in packet.properties and not profile.enhanced_auth:
        return Violation(Reason.BAD_AUTHENTICATION_METHOD, "enhanced authentication is not supported")
    return check_will(packet.will, profile, limits) if packet.will is not None else None


def check_will(will: Will, profile: Profile, limits: Limits) -> Violation | None:
    """What is wrong with a will, or None."""
    if will.qos > profile.maximum_qos:
        return Violation(Reason.QOS_NOT_SUPPORTED, f"the will has QoS {will.qos}, which is not supported")
    if will.retain and not profile.retain_available:
        return Violation(Reason.RETAIN_NOT_SUPPORTED, "the will is to be retained, which is not supported")
    wrong = check_topic(will.topic, limits.topic_bytes, limits.topic_slashes)
    if wrong is not None:
        return Violation(Reason.TOPIC_NAME_INVALID, f"in the will, {wrong}")
    if len(will.payload) > limits.payload:
        return Violation(Reason.QUOTA_EXCEEDED, f"the will's payload is larger than {limits.payload} bytes")
    if not profile.will_delay and will.properties.get("will_delay_interval"):
        return Violation(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "will_delay_interval is not supported")
    return check_message_properties(will.properties)


def check_message_properties(properties: Properties) -> Violation | None:
    """What is wrong with the properties of a message from a client, or None."""
    if "subscription_identifier" in properties:  # [MQTT-3.3.4-6]
        return Violation(Reason.PROTOCOL_ERROR, "subscription_identifier is not for a client's PUBLISH")
    response = properties.get("response_topic")
    if response is not None and ("+" in response or "#" in response):  # [MQTT-3.3.2-14]
        return Violation(Reason.PROTOCOL_ERROR, "response_topic contains a wildcard")
    return None


def check_subscribe(packet: Subscribe, profile: Profile, limits: Limits) -> Violation | None:
    """What in a SUBSCRIBE ends the connection, or None. Whether each filter is good is not asked here."""
    if "subscription_identifier" in packet.properties and not profile.subscription_identifiers:
        return Violation(
            Reason.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, "subscription_identifier is not supported"
        )
    if len(packet.subscriptions) > limits.filters_per_subscribe:
        return Violation(
            Reason.QUOTA_EXCEEDED, f"a SUBSCRIBE has more than {limits.filters_per_subscribe} topic filters"
        )
    for subscription in packet.subscriptions:
        if subscription.qos > profile.maximum_qos:
            return Violation(
                Reason.QOS_NOT_SUPPORTED, f"a subscription asks for unsupported QoS {subscription.qos}"
            )
        if subscription.no_local and parse_share(subscription.filter)[0] is not None:  # [MQTT-3.8.3-4]
            return Violation(Reason.PROTOCOL_ERROR, "a shared subscription has no_local set")
    return None


def check_disconnect(packet: Disconnect, session_expiry: int) -> Violation | None:
    """What is wrong with a client's DISCONNECT, or None. `session_expiry` is the agreed one, in seconds."""
    if "server_reference" in packet.properties:  # section 3.14.2.2.5
        return Violation(Reason.PROTOCOL_ERROR, "server_reference does not belong in a client's DISCONNECT")
    if packet.properties.get("session_expiry_interval") and not session_expiry:  # section 3.14.2.2.2
        return Violation(Reason.PROTOCOL_ERROR, "a session that ends with its connection cannot be kept now")
    return None


def check_other(packet: Packet, profile: Profile) -> Violation | None:
    """What is wrong with any other packet that a client may send at all, or None."""
    if isinstance(packet, Pubrec | Pubrel | Pubcomp) and profile.maximum_qos < 2:
        return Violation(Reason.PROTOCOL_ERROR, f"{type(packet).__name__.upper()} is of QoS 2, not supported")
    return None


def refuse_if(violation: Violation | None) -> None:
    """Raise what is wrong, if anything is, as MalformedPacket."""
    if violation is not None:
        raise MalformedPacket(violation.reason, violation.text)
