"""The AWS IoT Device SDK for Python v2's clients of 3.1.1 and 5, with what they are told in queues."""

from __future__ import annotations

import queue
from concurrent.futures import Future

from awscrt import mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

PATIENCE = 10
QOS0, QOS1 = mqtt.QoS.AT_MOST_ONCE, mqtt.QoS.AT_LEAST_ONCE


class Three:
    """The 3.1.1 connection, its callbacks as queues."""

    def __init__(self, device, client_id=None, **more):
        host, port = device.node.mqtt
        self.interrupted = queue.Queue()
        self.connection = mqtt_connection_builder.mtls_from_path(
            cert_filepath=str(device.certificate),
            pri_key_filepath=str(device.key),
            endpoint=host,
            port=port,
            ca_filepath=device.node.ca,
            client_id=device.name if client_id is None else client_id,
            clean_session=True,
            keep_alive_secs=30,
            reconnect_min_timeout_secs=1,
            reconnect_max_timeout_secs=1,
            on_connection_interrupted=lambda connection, error, **_: self.interrupted.put(error),
            **more,
        )

    def __enter__(self):
        self.connected = self.connection.connect().result(PATIENCE)
        return self

    def __exit__(self, *error):
        self.connection.disconnect().result(PATIENCE)

    def subscribe(self, topic, qos=QOS1):
        """The messages as a queue of (topic, payload, qos)."""
        messages = queue.Queue()

        def received(topic, payload, dup, qos, retain, **_):
            messages.put((topic, payload, qos))

        done, _ = self.connection.subscribe(topic, qos, received)
        granted = done.result(PATIENCE)
        assert granted["qos"] == qos
        return messages

    def publish(self, topic, payload, qos=QOS1):
        done, _ = self.connection.publish(topic, payload, qos)
        return done.result(PATIENCE)


class Five:
    """The MQTT 5 client, its lifecycle as futures."""

    def __init__(self, device, client_id=None, *, will=None, **more):
        host, port = device.node.mqtt
        self.messages = queue.Queue()
        self.connacks = queue.Queue()
        self.failures = queue.Queue()
        self.disconnects = queue.Queue()
        self.stopped = Future()
        self.client = mqtt5_client_builder.mtls_from_path(
            cert_filepath=str(device.certificate),
            pri_key_filepath=str(device.key),
            endpoint=host,
            port=port,
            ca_filepath=device.node.ca,
            connect_options=mqtt5.ConnectPacket(
                client_id=device.name if client_id is None else client_id,
                keep_alive_interval_sec=60,
                will=will,
                **more,
            ),
            on_publish_received=lambda data: self.messages.put(data.publish_packet),
            on_lifecycle_connection_success=lambda data: self.connacks.put(data),
            on_lifecycle_connection_failure=lambda data: self.failures.put(data),
            on_lifecycle_disconnection=lambda data: self.disconnects.put(data),
            on_lifecycle_stopped=lambda data: self.stopped.set_result(None),
        )

    def __enter__(self):
        self.client.start()
        return self

    def __exit__(self, *error):
        self.client.stop()
        self.stopped.result(PATIENCE)

    @property
    def connack(self):
        return self.connacks.get(timeout=PATIENCE)

    def subscribe(self, *filters, qos=mqtt5.QoS.AT_LEAST_ONCE, **more):
        wanted = [mqtt5.Subscription(topic_filter=filter, qos=qos, **more) for filter in filters]
        return (
            self.client.subscribe(mqtt5.SubscribePacket(subscriptions=wanted)).result(PATIENCE).reason_codes
        )

    def publish(self, topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, **more):
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=qos, **more)
        return self.client.publish(packet).result(PATIENCE).puback

    def message(self):
        return self.messages.get(timeout=PATIENCE)
