"""What a connection may do: capabilities and limits, as frozen tables."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """The capabilities of a server. What is False is refused by the connection or not advertised."""

    name: str
    maximum_qos: int
    retain_available: bool
    wildcard_available: bool
    shared_available: bool
    subscription_identifiers: bool
    topic_alias_maximum: int
    """How many topic aliases a client may use towards the server; 0 for none."""
    will_delay: bool
    hash_matches_parent: bool
    """Whether `sensor/#` matches `sensor` (OASIS, section 4.7.1.2) or only what is below it (AWS)."""
    retained_on_wildcard: bool
    """Whether a new subscription by wildcard gets retained messages (OASIS), or only an exact one (AWS)."""
    silent_refusal_v3: bool
    """Whether a refused 3.1.1 CONNECT gets its connection closed without a CONNACK."""
    enhanced_auth: bool = False


STRICT = Profile(
    name="strict",
    maximum_qos=1,
    retain_available=True,
    wildcard_available=True,
    shared_available=True,
    subscription_identifiers=False,
    topic_alias_maximum=8,
    will_delay=False,
    hash_matches_parent=False,
    retained_on_wildcard=False,
    silent_refusal_v3=True,
)
"""AWS IoT Core as documented (AWS IoT Developer Guide, "MQTT": supported features, differences from MQTT)."""

EXTENDED = Profile(
    name="extended",
    maximum_qos=2,
    retain_available=True,
    wildcard_available=True,
    shared_available=True,
    subscription_identifiers=True,
    topic_alias_maximum=8,
    will_delay=True,
    hash_matches_parent=True,
    retained_on_wildcard=True,
    silent_refusal_v3=False,
)
"""MQTT as OASIS wrote it: QoS 2, subscription identifiers, its own reading of `#`, every CONNECT answered."""

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (STRICT, EXTENDED)})


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas of a connection and of the account. The defaults are AWS's (AWS IoT Core endpoints and quotas,
    "Message broker")."""

    payload: int = 131_072
    """Bytes of a message's payload."""
    packet: int = 149_504
    """Bytes of a whole packet; advertised as Maximum Packet Size."""
    client_id: int = 128
    """Bytes of a client identifier in UTF-8."""
    topic_bytes: int = 256
    """Bytes of a topic or filter in UTF-8, without a Basic Ingest prefix or `$share/{name}/`."""
    topic_slashes: int = 7
    filters_per_subscribe: int = 8
    subscriptions: int = 50
    """Subscriptions per connection."""
    inbound_inflight: int = 100
    """Unacknowledged messages of QoS 1 and 2 from the client; advertised as Receive Maximum."""
    outbound_inflight: int = 100
    """Unacknowledged messages of QoS 1 and 2 to the client."""
    keep_alive_min: int = 30
    """Seconds; a shorter keep alive is raised to this."""
    keep_alive_max: int = 1200
    """Seconds; a longer keep alive, and none, is lowered to this."""
    publishes_per_second: int = 100
    """Messages per second from the client; what exceeds it is discarded."""
    publishes_out_per_second: int = 100
    """Messages per second to the client; what exceeds it is discarded, or waits if it is stored."""
    bytes_per_second: int = 524_288
    """Bytes per second from the client; what exceeds it is delayed."""
    resend_seconds: int = 30
    """Seconds until a message of QoS 1 that the client has not acknowledged is sent again."""
    connect_timeout: float = 10.0
    """Seconds from the connection's start to a complete CONNECT."""
    replay_per_second: int = 10
    """Stored messages per second to a client whose session is resumed."""
    connects_per_second: int = 1
    """CONNECTs per second of one client identifier."""

    # What is kept for those who are away. AWS documents no bound of a session's queue but what rate and
    # lifetime make of it, and none of bytes or of sessions: these are this project's own.
    session_queue_messages: int = 100_000
    """Messages that wait for one persistent session; what exceeds it is dropped for that session."""
    session_queue_bytes: int = 134_217_728
    """Bytes of them."""
    shared_queue_messages: int = 500_000
    """Messages that wait for one shared subscription ("Queued Messages per shared subscription group")."""
    shared_queue_bytes: int = 536_870_912
    shared_groups: int = 100
    """Shared subscriptions, each a name with a filter ("Shared Subscription groups per account")."""
    shared_subscriptions: int = 100
    """Members of one shared subscription ("Shared Subscriptions per group")."""
    sessions: int = 100_000
    """Persistent sessions; a CONNECT that needs one more is refused."""
    retained_messages: int = 500_000
    """Topics with a retained message ("Maximum number of retained messages per account")."""

    def without_rates(self) -> "Limits":
        """The same, with nothing limited that is counted by the second."""
        return replace(
            self,
            publishes_per_second=0,
            publishes_out_per_second=0,
            bytes_per_second=0,
            replay_per_second=0,
            connects_per_second=0,
        )
