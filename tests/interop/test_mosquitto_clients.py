"""mosquitto_pub and mosquitto_sub from Debian: what a firmware engineer types first."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from interop.devices import allow


@pytest.fixture(params=["mqttv311", "mqttv5"])
def version(request):
    return request.param


@pytest.fixture(params=["mqtt", "https"])
def port(request):
    return request.param


def options(device, version, port="mqtt", client_id=None):
    """Everything but the topic; on the HTTPS port by ALPN, as on AWS's port 443."""
    host, number = device.node.address(port)
    found = ["-h", host, "-p", str(number), "-V", version, "-i", client_id or device.name]
    found += ["--cafile", device.node.ca, "--cert", str(device.certificate), "--key", str(device.key)]
    return found + (["--tls-alpn", "x-amzn-mqtt-ca"] if port == "https" else [])


def pub(device, version, topic, *more, **where):
    command = ["mosquitto_pub", *options(device, version, **where), "-t", topic, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


@contextlib.contextmanager
def start_sub(device, version, topic, *more, **where):
    """A mosquitto_sub that tells each packet that comes and goes (-d), line by line, 20 s at the most."""
    command = ["stdbuf", "-oL", "mosquitto_sub", *options(device, version, **where), "-d", "-W", "20"]
    with subprocess.Popen(
        [*command, "-t", topic, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as sub:
        try:
            yield sub
        finally:
            sub.kill()


def wait_for(sub, *words):
    """The lines up to one that has all the words."""
    lines = []
    for line in sub.stdout:
        lines.append(line)
        if all(word in line for word in words):
            return lines
    raise AssertionError("".join(lines) + sub.stderr.read())


def test_pub_to_sub(device, version, port):
    """[3.1.1 MQTT-7.0.0-2]"""
    listener = device("listener")
    topic = f"devices/{listener.name}/a"
    speaker = device("speaker", statements=[allow("Connect", "*"), allow("Publish", f"topic/{topic}")])
    with start_sub(listener, version, topic, "-q", "1", "-C", "1", port=port) as sub:
        wait_for(sub, "SUBACK")
        sent = pub(speaker, version, topic, "-m", "hello", "-q", "1", port=port)
        assert (sent.returncode, sent.stderr) == (0, "")
        output, errors = sub.communicate(timeout=20)
    assert (sub.returncode, errors) == (0, "")
    assert "hello\n" in output


@pytest.mark.parametrize("qos", ["0", "1"])
def test_pub_reaches_others(device, observer, version, qos):
    one = device("one")
    topic = f"devices/{one.name}/qos"
    observer.subscribe(topic)
    sent = pub(one, version, topic, "-m", "hello", "-q", qos)
    assert (sent.returncode, sent.stderr) == (0, "")
    assert observer.message()[:3] == (topic, b"hello", int(qos))


def test_pub_qos_2_is_refused(device, observer, version):
    """MQTT 5: the client sees Maximum QoS 1 in the CONNACK; 3.1.1: the connection is closed."""
    one = device("one")
    topic = f"devices/{one.name}/qos"
    observer.subscribe(topic)
    sent = pub(one, version, topic, "-m", "hello", "-q", "2")
    assert sent.returncode != 0 or version == "mqttv5"
    assert observer.messages() == []


def test_an_unauthorized_pub_fails(device, observer, version):
    one = device("one")
    observer.subscribe("elsewhere")
    sent = pub(one, version, "elsewhere", "-m", "forged", "-q", "1")
    if version == "mqttv5":
        assert "Not authorized" in sent.stderr
    else:
        assert sent.returncode == 7  # MOSQ_ERR_CONN_LOST
        assert "connection was lost" in sent.stderr
    assert observer.messages() == []


def test_a_refused_connection_fails(device, version):
    for refused in (device("bare", statements=[]), device("sleeping", active=False)):
        sent = pub(refused, version, "a", "-m", "x")
        if version == "mqttv5":
            assert sent.returncode == 135  # the reason code, not authorized
            assert "Not authorized" in sent.stderr
        else:
            assert sent.returncode == 7
            assert "connection was lost" in sent.stderr


def test_no_certificate(node, version):
    host, port = node.mqtt
    command = ["mosquitto_pub", "-h", host, "-p", str(port), "-V", version, "--cafile", node.ca]
    sent = subprocess.run([*command, "-t", "a", "-m", "x"], capture_output=True, text=True, timeout=20)
    assert sent.returncode == (135 if version == "mqttv5" else 7)


def test_a_refused_subscription(device, version):
    one = device("one")
    with start_sub(one, version, "elsewhere", "-q", "1") as sub:
        output, errors = sub.communicate(timeout=20)
    assert "All subscription requests were denied" in output + errors


def test_retain_needs_a_right_of_its_own(device, observer, version):
    one = device("one")
    topic = f"devices/{one.name}/r"
    observer.subscribe(topic)
    sent = pub(one, version, topic, "-m", "x", "-q", "1", "-r")
    if version == "mqttv5":
        assert "not authorized to retain" in sent.stderr
    else:
        assert sent.returncode == 7
    assert observer.messages() == []


def test_a_will(device, observer, version):
    one = device("one")
    topic = f"devices/{one.name}/will"
    observer.subscribe(topic)
    will = ["--will-topic", topic, "--will-payload", "gone", "--will-qos", "1"]
    with start_sub(one, version, f"devices/{one.name}/a", *will) as sub:
        wait_for(sub, "SUBACK")
        sub.kill()
    assert observer.message()[:3] == (topic, b"gone", 1)


def test_takeover(device, version):
    one = device("one")
    with start_sub(one, version, f"devices/{one.name}/a") as sub:
        wait_for(sub, "SUBACK")
        with one.online():
            wait_for(sub, "CONNECT")  # it comes back, and takes over in turn


def test_properties_of_mqtt_5(device, anything):
    one = device("one")
    topic = f"devices/{one.name}/p"
    properties = ["-D", "publish", "user-property", "k", "v"]
    properties += ["-D", "publish", "content-type", "text/plain", "-D", "publish", "response-topic", "r"]
    with start_sub(one, "mqttv5", topic, "-C", "1", "-F", "%P %C %R %p") as sub:
        wait_for(sub, "SUBACK")
        assert pub(anything, "mqttv5", topic, "-m", "hello", *properties, client_id="p").returncode == 0
        assert "k:v text/plain r hello\n" in sub.communicate(timeout=20)[0]
