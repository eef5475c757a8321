"""The AWS IoT Device SDK for Python v2, unmodified: 3.1.1 connection, MQTT 5 client."""

from __future__ import annotations

import awscrt.exceptions
import pytest
from awscrt import mqtt, mqtt5

from interop.devices import WITHIN, allow
from interop.sdk_clients import PATIENCE, QOS0, QOS1, Five, Three

# --- 3.1.1 -------------------------------------------------------------------------------------------------


def test_311_publish_and_receive(device):
    one = device("sdk")
    topic = f"devices/{one.name}/a"
    with Three(one) as sdk:
        assert sdk.connected == {"session_present": False}
        messages = sdk.subscribe(topic)
        for qos in (QOS0, QOS1):
            sdk.publish(topic, b"at %d" % qos, qos)
            assert messages.get(timeout=PATIENCE) == (topic, b"at %d" % qos, qos)
        sdk.connection.unsubscribe(topic)[0].result(PATIENCE)
        sdk.publish(topic, b"unheard")
        assert messages.empty()


def test_311_a_downgrade_to_the_subscriptions_qos(device):
    one = device("sdk")
    topic = f"devices/{one.name}/a"
    with Three(one) as sdk:
        messages = sdk.subscribe(topic, QOS0)
        sdk.publish(topic, b"x", QOS1)
        assert messages.get(timeout=PATIENCE)[2] == QOS0


def test_311_a_refused_subscription(device):
    with Three(device("sdk")) as sdk:
        done, _ = sdk.connection.subscribe("elsewhere", QOS1)
        with pytest.raises(mqtt.SubscribeError, match="elsewhere"):
            done.result(PATIENCE)


def test_311_a_refused_publish_interrupts_the_connection(device, observer):
    observer.subscribe("elsewhere")
    one = device("sdk")
    with Three(one) as sdk:
        sdk.connection.publish("elsewhere", b"forged", QOS0)
        error = sdk.interrupted.get(timeout=PATIENCE)
        assert error.name in ("AWS_ERROR_MQTT_UNEXPECTED_HANGUP", "AWS_IO_SOCKET_CLOSED")
    assert observer.messages() == []


def test_311_refused_connections(device):
    one = device("sdk")
    for sdk in (Three(one, "not-its-name"), Three(device("sleeping", active=False))):
        with pytest.raises(awscrt.exceptions.AwsCrtError) as refused:
            sdk.connection.connect().result(PATIENCE)
        assert refused.value.name == "AWS_ERROR_MQTT_UNEXPECTED_HANGUP"


def test_311_will_and_takeover(device, observer):
    one = device("sdk")
    topic = f"devices/{one.name}/will"
    observer.subscribe(topic)
    will = mqtt.Will(topic=topic, qos=QOS1, payload=b"gone", retain=False)
    with Three(one, will=will) as sdk, one.online():
        sdk.interrupted.get(timeout=PATIENCE)
        assert observer.message()[:3] == (topic, b"gone", 1)


def test_311_a_large_payload(device):
    one = device("sdk")
    topic = f"devices/{one.name}/large"
    payload = bytes(range(256)) * 512
    assert len(payload) == 131072
    with Three(one) as sdk:
        messages = sdk.subscribe(topic)
        sdk.publish(topic, payload)
        assert messages.get(timeout=PATIENCE)[1] == payload


# --- 5 -----------------------------------------------------------------------------------------------------


def test_5_what_the_connack_says(device):
    with Five(device("sdk"), session_expiry_interval_sec=3600) as sdk:
        success = sdk.connack
        settings = success.negotiated_settings
        assert success.connack_packet.reason_code is mqtt5.ConnectReasonCode.SUCCESS
        assert settings.maximum_qos is mqtt5.QoS.AT_LEAST_ONCE
        assert settings.receive_maximum_from_server == 100
        assert settings.maximum_packet_size_to_server == 149504
        assert settings.topic_alias_maximum_to_server == 8
        assert settings.server_keep_alive_sec == 60
        assert settings.session_expiry_interval_sec == 3600
        assert not settings.rejoined_session
        assert settings.retain_available
        assert settings.wildcard_subscriptions_available
        assert settings.shared_subscriptions_available
        assert not settings.subscription_identifiers_available


def test_5_publish_and_receive_with_every_property(device):
    one = device("sdk")
    topic = f"devices/{one.name}/a"
    with Five(one) as sdk:
        sdk.connack  # noqa: B018
        assert sdk.subscribe(topic) == [mqtt5.SubackReasonCode.GRANTED_QOS_1]
        for qos in mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE:
            puback = sdk.publish(
                topic,
                "grüße".encode(),
                qos,
                content_type="text/plain",
                response_topic=f"devices/{one.name}/answer",
                correlation_data=b"\x00\x01",
                message_expiry_interval_sec=300,
                payload_format_indicator=mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8,
                user_properties=[mqtt5.UserProperty("a", "1"), mqtt5.UserProperty("a", "2")],
            )
            if qos:
                assert puback.reason_code is mqtt5.PubackReasonCode.SUCCESS
            got = sdk.message()
            assert (got.topic, got.payload, got.qos) == (topic, "grüße".encode(), qos)
            assert (got.content_type, got.response_topic) == ("text/plain", f"devices/{one.name}/answer")
            assert got.correlation_data_bytes == b"\x00\x01"
            assert got.message_expiry_interval_sec <= 300
            assert got.payload_format_indicator == mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8
            assert [(p.name, p.value) for p in got.user_properties] == [("a", "1"), ("a", "2")]


def test_5_from_5_to_3_and_back(device):
    one = device("sdk", statements=[allow("*", "*")])
    with Three(one, "three") as three, Five(one, "five") as five:
        five.connack  # noqa: B018
        messages = three.subscribe("both/#")
        assert five.subscribe("both/#")
        five.publish("both/5", b"5", content_type="text/plain")
        assert messages.get(timeout=PATIENCE) == ("both/5", b"5", QOS1)
        assert five.message().content_type == "text/plain"
        three.publish("both/3", b"3")
        assert five.message().payload == b"3"
        assert messages.get(timeout=PATIENCE)[1] == b"3"


def test_5_no_local(device):
    one = device("sdk", statements=[allow("*", "*")])
    with Five(one, "one") as mine, Five(one, "other") as other:
        mine.connack, other.connack  # noqa: B018
        mine.subscribe("echo", no_local=True)
        mine.publish("echo", b"mine")
        other.publish("echo", b"other's")
        assert mine.message().payload == b"other's"


def test_5_topic_aliases(device):
    one = device("sdk")
    topic = f"devices/{one.name}/aliased"
    with Five(one) as sdk:
        sdk.connack  # noqa: B018
        sdk.subscribe(topic)
        sdk.publish(topic, b"1", topic_alias=8)
        sdk.publish(topic, b"2", topic_alias=8)
        assert [sdk.message().payload for _ in range(2)] == [b"1", b"2"]


def test_5_refused_publish_and_subscribe(device):
    one = device("sdk")
    with Five(one) as sdk:
        sdk.connack  # noqa: B018
        puback = sdk.publish("elsewhere", b"forged")
        assert puback.reason_code is mqtt5.PubackReasonCode.NOT_AUTHORIZED
        assert puback.reason_string == "not authorized to publish to elsewhere"
        assert sdk.subscribe("elsewhere", f"devices/{one.name}/a") == [
            mqtt5.SubackReasonCode.NOT_AUTHORIZED,
            mqtt5.SubackReasonCode.GRANTED_QOS_1,
        ]
        assert sdk.publish(f"devices/{one.name}/a", b"on").reason_code is mqtt5.PubackReasonCode.SUCCESS
        sdk.publish("elsewhere", b"forged", mqtt5.QoS.AT_MOST_ONCE)
        cut = sdk.disconnects.get(timeout=PATIENCE)
        assert cut.disconnect_packet.reason_code is mqtt5.DisconnectReasonCode.NOT_AUTHORIZED


def test_5_refused_connections(device):
    one = device("sdk")
    for sdk, code in (
        (Five(one, "not-its-name"), mqtt5.ConnectReasonCode.NOT_AUTHORIZED),
        (Five(device("sleeping", active=False)), mqtt5.ConnectReasonCode.NOT_AUTHORIZED),
        (Five(one, "x" * 129), mqtt5.ConnectReasonCode.CLIENT_IDENTIFIER_NOT_VALID),
    ):
        with sdk:
            failure = sdk.failures.get(timeout=PATIENCE)
            assert failure.connack_packet.reason_code is code


def test_5_takeover_and_will(device, observer):
    one = device("sdk")
    topic = f"devices/{one.name}/will"
    observer.subscribe(topic)
    will = mqtt5.PublishPacket(topic=topic, payload=b"gone", qos=mqtt5.QoS.AT_LEAST_ONCE)
    with Five(one, will=will) as sdk:
        sdk.connack  # noqa: B018
        with one.online(version=5):
            cut = sdk.disconnects.get(timeout=PATIENCE)
            assert cut.disconnect_packet.reason_code is mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER
            assert observer.message()[:3] == (topic, b"gone", 1)


def test_5_a_withdrawn_certificate(device, iot):
    one = device("sdk")
    with Five(one) as sdk:
        sdk.connack  # noqa: B018
        iot.update_certificate(certificateId=one.certificate_id, newStatus="INACTIVE")
        cut = sdk.disconnects.get(timeout=WITHIN)
        assert cut.disconnect_packet.reason_code is mqtt5.DisconnectReasonCode.NOT_AUTHORIZED
        assert sdk.failures.get(timeout=PATIENCE).connack_packet.reason_code == 0x87
