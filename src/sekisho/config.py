"""Settings: one table of names, defaults and meanings, read from a file, the environment and ``--set``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class ConfigError(Exception):
    """A setting is unknown or has a value that it cannot have; the text names it."""


LEVELS = ("debug", "info", "warning", "error")


class Setting(NamedTuple):
    default: Any
    meaning: str


SETTINGS: dict[str, Setting] = {
    "data": Setting(".sekisho", "folder of the node: database, keyring, endpoints.json"),
    "database": Setting("", "sqlite:PATH or postgresql://…; empty: sqlite in the data folder"),
    "bus": Setting("local:", "how nodes tell each other things; local: is this process alone"),
    "keyring": Setting("", "file:PATH of the CA's key and the master key; empty: in the data folder"),
    "objects": Setting("", "file:PATH or s3:https://host:port (docs/objects.md); empty: in the data folder"),
    "objects.largest": Setting(5368709120, "bytes of one object"),
    "objects.upload_days": Setting(7, "days after which an upload in parts is given up"),
    "account": Setting("000000000000", "the default account, 12 digits"),
    "region": Setting("us-east-1", "the default region"),
    "regions": Setting(
        "", "all regions that the node serves, comma separated, the first the default; empty: region alone"
    ),
    "domain": Setting("sekisho.localhost", "what the endpoints' host names end with (docs/accounts.md)"),
    "multi_account_certificates": Setting(
        "data", "where a certificate registered without its CA may be used: data endpoints, or all"
    ),
    "host": Setting("127.0.0.1", "address that the device listeners bind (0.0.0.0 for all)"),
    "endpoint": Setting(
        "localhost", "host name that DescribeEndpoint gives and the server certificate names"
    ),
    "server_names": Setting("", "further names or addresses for the server certificate, comma separated"),
    "mqtt.port": Setting(8883, "MQTT over TLS"),
    "https.port": Setting(8443, "HTTPS, and MQTT by ALPN"),
    "api.port": Setting(4566, "plain HTTP API, on loopback only"),
    "mqtt.profile": Setting("strict", "strict: AWS's refusals; extended: what AWS lacks, too (docs/mqtt.md)"),
    "mqtt.session_expiry": Setting(3600, "seconds that a persistent session outlives its connection"),
    "mqtt.enforce_limits": Setting("true", "false lifts the limits of rate, for benchmarks"),
    "mqtt.limits.replay_per_second": Setting(10, "stored messages a second to a client that came back"),
    "mqtt.limits.publishes_per_second": Setting(100, "messages a second from a client; 0: no limit"),
    "mqtt.limits.publishes_out_per_second": Setting(100, "messages a second to a client; 0: no limit"),
    "mqtt.limits.bytes_per_second": Setting(524288, "bytes a second from a client; 0: no limit"),
    "mqtt.limits.connects_per_second": Setting(1, "CONNECTs a second of a client id; 0: no limit"),
    "mqtt.limits.resend_seconds": Setting(
        30, "seconds until an unacknowledged QoS 1 message is sent again; 0: never"
    ),
    "mqtt.limits.payload": Setting(131072, "bytes of one message"),
    "mqtt.limits.client_id": Setting(128, "bytes of a client id"),
    "mqtt.limits.topic_bytes": Setting(256, "bytes of a topic"),
    "mqtt.limits.topic_slashes": Setting(7, "slashes in a topic"),
    "mqtt.limits.filters_per_subscribe": Setting(8, "filters in one SUBSCRIBE"),
    "mqtt.limits.subscriptions": Setting(50, "subscriptions of one connection"),
    "mqtt.limits.inbound_inflight": Setting(100, "unacknowledged QoS 1 messages from a client"),
    "mqtt.limits.outbound_inflight": Setting(100, "unacknowledged QoS 1 messages to a client"),
    "mqtt.limits.keep_alive_min": Setting(30, "seconds"),
    "mqtt.limits.keep_alive_max": Setting(1200, "seconds"),
    "mqtt.limits.connect_timeout": Setting(10.0, "seconds for the TLS handshake, and then for CONNECT"),
    "mqtt.limits.outbound_bytes": Setting(
        4194304, "bytes that may wait for one slow reader; what comes then is lost to it"
    ),
    "mqtt.limits.websocket_seconds": Setting(86400, "seconds that a connection over WebSocket may last"),
    "mqtt.limits.connections": Setting(15000, "connections of this node"),
    "mqtt.limits.session_queue_messages": Setting(100000, "messages that wait for one session"),
    "mqtt.limits.session_queue_bytes": Setting(134217728, "bytes of the messages that wait for one session"),
    "mqtt.limits.shared_queue_messages": Setting(500000, "messages that wait for one shared subscription"),
    "mqtt.limits.shared_queue_bytes": Setting(
        536870912, "bytes of the messages that wait for one shared subscription"
    ),
    "mqtt.limits.shared_groups": Setting(100, "shared subscriptions, each a name with a filter"),
    "mqtt.limits.shared_subscriptions": Setting(100, "members of one shared subscription"),
    "mqtt.limits.sessions": Setting(100000, "persistent sessions"),
    "mqtt.limits.retained_messages": Setting(500000, "topics with a retained message"),
    "custom_auth.shortest_seconds": Setting(
        300, "least disconnectAfterInSeconds and refreshAfterInSeconds of an authorizer's function"
    ),
    "crl.url": Setting(
        "",
        "address of the revocation list that issued certificates name; empty: none, as AWS's name none",
    ),
    "connections.keep": Setting(1000000, "ended connections kept, for 31 days at most"),
    "explain.keep": Setting(10000, "refusals kept for explain"),
    "logs.bytes": Setting(16777216, "bytes of one file of a log group (docs/logging.md)"),
    "logs.files": Setting(4, "older files kept of each log group"),
    "audit.keep": Setting(1000000, "audit lines kept"),
    "functions.path": Setting(
        "",
        "folders of functions' modules, colon separated; functions.NAME = package.module:callable makes one",
    ),
    "functions.endpoint": Setting(
        "", "http://HOST:PORT that speaks Lambda's Invoke, for every other function"
    ),
    "functions.access_key": Setting("", "access key id that signs calls to that endpoint; empty: unsigned"),
    "functions.secret_key": Setting("", "its secret access key"),
    "functions.concurrency": Setting(
        4, "calls of one function at a time; a Python one has as many processes"
    ),
    "functions.waiting": Setting(100, "calls of one function that may wait for their turn"),
    "functions.memory": Setting(1073741824, "bytes of address space of a function's process; 0: no limit"),
    "log.level": Setting("warning", "debug, info, warning or error"),
}


LABEL = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""One label of a host name (RFC 1123, section 2.1)."""

_HOST = re.compile(r"[\w*:.-]+", re.ASCII)
"""A name or address of the node itself; what of it resolves is the network's affair."""

LONGEST_DOMAIN = 128
"""Characters; with what comes before it a name has at most 253 (RFC 1035, section 2.3.4)."""

MOST_EXPIRY = 604_800
"""AWS IoT Developer Guide, MQTT persistent sessions: the longest that an account may set."""


FUNCTIONS = "functions."
_FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CALLABLE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def _is_function(name: str) -> bool:
    """Whether a setting is that of a function: its name is the user's own."""
    if name in SETTINGS or not name.startswith(FUNCTIONS):
        return False
    return _FUNCTION_NAME.fullmatch(name.removeprefix(FUNCTIONS)) is not None


@dataclass(frozen=True)
class Config:
    """All settings, by name: ``config["mqtt.port"]``."""

    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def regions(self) -> list[str]:
        """The regions that the node serves, the default one first."""
        return names_in(self.values["regions"]) or [self.values["region"]]

    @property
    def server_names(self) -> list[str]:
        """The names and addresses of the node itself, under which it is the default account."""
        names = [
            "localhost",
            "127.0.0.1",
            "::1",
            self.values["endpoint"],
            *names_in(self.values["server_names"]),
        ]
        if self.values["host"] not in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound
            names.append(self.values["host"])
        return list(dict.fromkeys(names))

    @property
    def data(self) -> Path:
        return Path(self.values["data"]).absolute()

    @property
    def database(self) -> str:
        return str(self.values["database"] or f"sqlite:{self.data / 'sekisho.db'}")

    @property
    def keyring(self) -> str:
        return str(self.values["keyring"] or f"file:{self.data / 'keyring.json'}")

    @property
    def functions(self) -> dict[str, str]:
        """Name → ``package.module:callable``."""
        return {k.removeprefix(FUNCTIONS): v for k, v in self.values.items() if _is_function(k)}

    @property
    def objects(self) -> str:
        return str(self.values["objects"] or f"file:{self.data / 'objects'}")

    def group(self, prefix: str) -> dict[str, Any]:
        """The settings under ``prefix``, without it."""
        return {k.removeprefix(prefix): v for k, v in self.values.items() if k.startswith(prefix)}


def load_config(overrides: Iterable[str] = (), *, file: Path | None = None) -> Config:
    """Defaults, then ``file`` (TOML), then ``SEKISHO_…`` variables, then ``key=value`` overrides.

    ``mqtt.limits.payload`` is ``SEKISHO_MQTT_LIMITS_PAYLOAD`` in the environment.
    """
    values = {name: setting.default for name, setting in SETTINGS.items()}
    if file is not None:
        try:
            content = tomllib.loads(file.read_text())
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file}: {error}") from None
        for name, value in _flatten(content):
            _require_known(name, str(file))
            values[name] = _convert(name, value)
    for name in SETTINGS:
        variable = "SEKISHO_" + name.upper().replace(".", "_")
        if variable in os.environ:
            values[name] = _convert(name, os.environ[variable])
    for override in overrides:
        name, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override}: expected key=value")
        _require_known(name, "--set")
        values[name] = _convert(name, value)
    _choose_region(values)
    _check(values)
    return Config(values)


def _require_known(name: str, where: str) -> None:
    if name not in SETTINGS and not _is_function(name):
        raise ConfigError(f"{where}: there is no setting {name!r}; `sekisho settings` lists them")


def _convert(name: str, value: Any) -> Any:
    if _is_function(name):
        if not (isinstance(value, str) and _CALLABLE.fullmatch(value)):
            raise ConfigError(f"{name} = {value!r}: expected package.module:callable")
        return value
    default = SETTINGS[name].default
    try:
        if isinstance(default, str):
            return str(value)
        converted = type(default)(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} = {value!r}: expected a number") from None
    if converted < 0:
        raise ConfigError(f"{name} = {value!r}: must not be negative")
    return converted


def names_in(text: str) -> list[str]:
    """What a setting lists, comma separated, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _choose_region(values: dict[str, Any]) -> None:
    """The first of ``regions`` is the default; a ``region`` that says otherwise is a mistake."""
    regions = names_in(values["regions"])
    if regions and values["region"] not in (regions[0], SETTINGS["region"].default):
        raise ConfigError(
            f"region = {values['region']!r}, but regions = {values['regions']!r} begins with another; "
            "give one of the two"
        )
    if regions:
        values["region"] = regions[0]


def _check_names(values: Mapping[str, Any]) -> None:
    for region in names_in(values["regions"]) or [values["region"]]:
        if not LABEL.fullmatch(region):
            raise ConfigError(f"region {region!r}: expected letters, digits and hyphens, as in us-east-1")
    for name in (values["endpoint"], *names_in(values["server_names"])):
        if not _HOST.fullmatch(name):
            raise ConfigError(f"{name!r} in endpoint or server_names: expected a host name or an address")
    domain = values["domain"]
    if len(domain) > LONGEST_DOMAIN or not all(LABEL.fullmatch(label) for label in domain.split(".")):
        raise ConfigError(
            f"domain = {domain!r}: expected a host name in lower case of at most {LONGEST_DOMAIN} characters"
        )


def _check(values: Mapping[str, Any]) -> None:
    _check_names(values)
    if values["multi_account_certificates"] not in ("data", "all"):
        raise ConfigError(
            f"multi_account_certificates = {values['multi_account_certificates']!r}: data or all"
        )
    account = values["account"]
    if not (len(account) == 12 and account.isascii() and account.isdigit()):
        raise ConfigError(f"account = {account!r}: expected 12 digits")
    for name in ("mqtt.port", "https.port", "api.port"):
        if values[name] > 65535:
            raise ConfigError(f"{name} = {values[name]}: a port is at most 65535 (0 picks a free one)")
    if values["mqtt.session_expiry"] > MOST_EXPIRY:
        raise ConfigError(
            f"mqtt.session_expiry = {values['mqtt.session_expiry']}: at most {MOST_EXPIRY}, 7 days"
        )
    if values["mqtt.enforce_limits"] not in ("true", "false"):
        raise ConfigError(f"mqtt.enforce_limits = {values['mqtt.enforce_limits']!r}: true or false")
    if values["mqtt.profile"] not in ("strict", "extended"):
        raise ConfigError(f"mqtt.profile = {values['mqtt.profile']!r}: strict or extended")
    if values["log.level"] not in LEVELS:
        raise ConfigError(f"log.level = {values['log.level']!r}: {', '.join(LEVELS)}")
    if bool(values["functions.access_key"]) != bool(values["functions.secret_key"]):
        raise ConfigError("functions.access_key and functions.secret_key: both or neither")
    for name in ("functions.concurrency", "functions.waiting", "custom_auth.shortest_seconds"):
        if values[name] < 1:
            raise ConfigError(f"{name} = {values[name]}: at least 1")
    if values["functions.endpoint"] and not re.fullmatch(
        r"https?://[^/?#\s]+/?", values["functions.endpoint"]
    ):
        raise ConfigError(
            f"functions.endpoint = {values['functions.endpoint']!r}: expected http://HOST[:PORT]"
        )
    if values["crl.url"] and not values["crl.url"].startswith(("http://", "https://")):
        raise ConfigError(f"crl.url = {values['crl.url']!r}: http://… or https://…")
    if not values["bus"] == "local:":
        raise ConfigError(f"bus = {values['bus']!r}: this version has local:")


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def settings_table() -> str:
    """Every setting in a Markdown table."""
    rows = [f"| `{name}` | `{setting.default}` | {setting.meaning} |" for name, setting in SETTINGS.items()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])
