"""Other people's clients behind one interface, for ``test_clients.py``.

Each is a ``Client`` (``base.py``). The table says which there are, the MQTT version that each speaks, and the
node's door that it knocks at: 8883 with a certificate, or 8443 as a WebSocket signed with SigV4.
"""

from __future__ import annotations

from typing import NamedTuple

from interop.clients import gmqtt, javascript, mosquitto, paho, sdk_python
from interop.clients.base import Client, Door, Line, Loop, Message

__all__ = ["KINDS", "Client", "Door", "Kind", "Line", "Loop", "Message"]


class Kind(NamedTuple):
    make: type[Client]
    version: int
    door: str = "mqtt"


KINDS = {
    "awsiotsdk 3.1.1": Kind(sdk_python.Three, 4),
    "awsiotsdk 3.1.1 WebSocket": Kind(sdk_python.ThreeWebSocket, 4, "https"),
    "awsiotsdk 5": Kind(sdk_python.Five, 5),
    "awsiotsdk 5 WebSocket": Kind(sdk_python.FiveWebSocket, 5, "https"),
    "JavaScript SDK 3.1.1": Kind(javascript.Three, 4),
    "JavaScript SDK 3.1.1 WebSocket": Kind(javascript.ThreeWebSocket, 4, "https"),
    "JavaScript SDK 3.1.1 browser": Kind(javascript.ThreeBrowser, 4, "https"),
    "JavaScript SDK 5": Kind(javascript.Five, 5),
    "JavaScript SDK 5 WebSocket": Kind(javascript.FiveWebSocket, 5, "https"),
    "JavaScript SDK 5 browser": Kind(javascript.FiveBrowser, 5, "https"),
    "MQTT.js 3.1.1": Kind(javascript.MqttJs, 4),
    "MQTT.js 3.1.1 WebSocket": Kind(javascript.MqttJsWebSocket, 4, "https"),
    "MQTT.js 5": Kind(javascript.MqttJs, 5),
    "MQTT.js 5 WebSocket": Kind(javascript.MqttJsWebSocket, 5, "https"),
    "paho 3.1.1": Kind(paho.Paho, 4),
    "paho 3.1.1 WebSocket": Kind(paho.PahoWebSocket, 4, "https"),
    "paho 5": Kind(paho.Paho, 5),
    "paho 5 WebSocket": Kind(paho.PahoWebSocket, 5, "https"),
    "aiomqtt 3.1.1": Kind(paho.Aiomqtt, 4),
    "aiomqtt 5": Kind(paho.Aiomqtt, 5),
    "gmqtt 3.1.1": Kind(gmqtt.Gmqtt, 4),
    "gmqtt 5": Kind(gmqtt.Gmqtt, 5),
    "mosquitto 3.1.1": Kind(mosquitto.Mosquitto, 4),
    "mosquitto 5": Kind(mosquitto.Mosquitto, 5),
}
