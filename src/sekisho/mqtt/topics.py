"""Topic names and topic filters: what is wrong with one, and which matches which (section 4.7)."""

SHARE_NAME = 128
"""Characters of a shared subscription's name (AWS IoT Developer Guide, "Shared subscriptions")."""

_INGEST = "$aws/rules/"
_SHARE = "$share/"


def check_topic(topic: str, max_bytes: int = 256, max_slashes: int = 7) -> str | None:
    """What is wrong with a topic name, in words, or None. The default limits are AWS's.

    The prefix `$aws/rules/{rule}/` of Basic Ingest counts towards neither limit (AWS IoT Developer Guide,
    "Reducing messaging costs with Basic Ingest").
    """
    if not topic:
        return "the topic is empty"  # [MQTT-4.7.3-1]
    if "+" in topic or "#" in topic:
        return "the topic contains a wildcard"  # [MQTT-3.3.2-2]
    return _check_common("topic", topic, max_bytes, max_slashes)


def check_filter(filter: str, max_bytes: int = 256, max_slashes: int = 7) -> str | None:
    """What is wrong with a topic filter, in words, or None. The default limits are AWS's.

    The prefix `$share/{name}/` is checked (section 4.8.2) and counts towards neither limit.
    """
    if filter == "$share" or filter.startswith(_SHARE):
        _, _, rest = filter.partition("/")
        name, _, filter = rest.partition("/")
        if not name:
            return "the shared subscription has no name"  # [MQTT-4.8.2-1]
        if "+" in name or "#" in name:
            return "the name of the shared subscription contains a wildcard"  # [MQTT-4.8.2-2]
        if "\0" in name:
            return "the name of the shared subscription contains U+0000"
        if len(name) > SHARE_NAME:
            return f"the name of the shared subscription is longer than {SHARE_NAME} characters"
        if not filter:
            return "the shared subscription has no filter"
    if not filter:
        return "the filter is empty"  # [MQTT-4.7.3-1]
    if "#" in filter:
        if "#" in filter[:-1]:
            return "# is not the last character of the filter"  # [MQTT-4.7.1-1]
        if filter != "#" and not filter.endswith("/#"):
            return "# does not stand alone in its level"  # [MQTT-4.7.1-1]
    if "+" in filter and any("+" in level and level != "+" for level in filter.split("/")):
        return "+ does not stand alone in its level"  # [MQTT-4.7.1-2]
    return _check_common("filter", filter, max_bytes, max_slashes)


def parse_share(filter: str) -> tuple[str | None, str]:
    """`$share/{name}/{filter}` as (name, filter); any other filter as (None, filter). Nothing is checked."""
    if filter.startswith(_SHARE):
        name, slash, rest = filter[len(_SHARE) :].partition("/")
        if slash:
            return name, rest
    return None, filter


def literal_prefix(filter: str) -> str:
    """What every topic that a filter (without `$share`) matches begins with: its levels before the first
    wildcard, with their slashes; the whole of a filter without one. Of `a/#` it is `a/`, although `a` may
    match, too."""
    levels: list[str] = []
    for level in filter.split("/"):
        if level in ("+", "#"):
            return "".join(levels)
        levels.append(f"{level}/")
    return filter


def matches(filter: str, topic: str, hash_matches_parent: bool) -> bool:
    """Whether a filter (without `$share`) matches a topic name.

    `hash_matches_parent` chooses between OASIS (section 4.7.1.2: `sensor/#` matches `sensor`) and AWS (it
    does not).
    A wildcard at the start matches no topic that starts with `$` [MQTT-4.7.2-1].
    """
    if topic.startswith("$") and filter.startswith(("+", "#")):
        return False
    wanted = filter.split("/")
    levels = topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted) or (len(levels) == len(wanted) and not hash_matches_parent):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )


def _without_ingest(topic: str) -> str:
    if topic.startswith(_INGEST):
        rule, slash, rest = topic[len(_INGEST) :].partition("/")
        if rule and slash:
            return rest
    return topic


def _check_common(what: str, text: str, max_bytes: int, max_slashes: int) -> str | None:
    if "\0" in text:
        return f"the {what} contains U+0000"  # [MQTT-4.7.3-2]
    text = _without_ingest(text)
    # No character takes more than four bytes, so most topics need not be encoded to be measured.
    if len(text) * 4 > max_bytes and len(text.encode(errors="surrogatepass")) > max_bytes:
        return f"the {what} is longer than {max_bytes} bytes"
    if text.count("/") > max_slashes:
        return f"the {what} has more than {max_slashes} slashes"
    return None
