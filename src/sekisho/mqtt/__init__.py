"""MQTT 3.1.1 and 5 as values, a codec, a connection state machine, a topic tree; no I/O, no clock."""
