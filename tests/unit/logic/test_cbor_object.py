"""CBOR from outside: what JSON could say comes out, everything else is named, nothing costs memory."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.logic.cbor_object import MAX_DEPTH, BadCbor, read_cbor_object, write_cbor

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_what_json_could_say_comes_out_as_it_went_in(document):
    raw = cbor2.dumps(document)
    with contextlib.suppress(BadCbor) if depth(document) > MAX_DEPTH else contextlib.nullcontext():
        assert read_cbor_object(raw) == document
    assert cbor2.loads(write_cbor(document)) == document


def depth(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3), st.data())
def test_a_map_that_is_cut_off_or_goes_on_is_refused(document, data):
    raw = cbor2.dumps(document)
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(BadCbor):
        read_cbor_object(raw[:cut])
    with pytest.raises(BadCbor):
        read_cbor_object(raw + b"\xf6")


def is_json(value):
    match value:
        case dict():
            return all(isinstance(key, str) and is_json(one) for key, one in value.items())
        case list():
            return all(map(is_json, value))
    return value is None or isinstance(value, bool | int | float | str)


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw):
    for data in (raw, b"\xa1\x61a" + raw, b"\xbf" + raw):
        with contextlib.suppress(BadCbor):
            assert is_json(read_cbor_object(data))


@settings(max_examples=500)
@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4), st.data())
def test_a_map_with_one_byte_changed_is_read_or_refused(document, data):
    raw = bytearray(cbor2.dumps(document))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadCbor):
        assert is_json(read_cbor_object(bytes(raw)))


@pytest.mark.parametrize(
    "raw, words",
    [
        (b"", "nothing is there"),
        (cbor2.dumps([1]), "expected a map, not a list"),
        (cbor2.dumps("x"), "not a string"),
        (cbor2.dumps({1: "x"}), "a number at byte 1, where a name is expected"),
        (cbor2.dumps({b"a": "x"}), "a byte string"),
        (cbor2.dumps({"a": b"x"}), "a byte string"),
        (cbor2.dumps({"a": cbor2.CBORTag(0, "2020-01-01T00:00:00Z")}), "a tag"),
        (cbor2.dumps({"a": 2**70}), "a tag"),
        (b"\xa1\x61a\xd8\x1d\x00", "a tag"),  # a reference to a value, which could be the map itself
        (b"\xa1\x61a\xf7", "a simple value"),  # undefined
        (b"\xa1\x61a\xe0", "a simple value"),
        (b"\xa1\x61a\x1c", "a length"),
        (b"\xa1\x61a\xff", "a break"),
        (b"\xbf\x61a\xff", "a break"),
        (b"\xff", "a simple value"),
        (b"\xa1\x61a\x7f\x01\xff", "within a string"),
        (b"\xbf\x7f\x61a\xff\x01\xff", "where a name is expected"),
        (b"\xbb" + b"\xff" * 8, "cut off"),
        (b"\xa1\x7a\xff\xff\xff\xff", "cut off"),
        (b"\xa1\x61a" + b"\x81" * 1000, "nested deeper than 16"),
        (b"\xa1\x61a\x62\xff\xfe", "cannot be read"),  # not UTF-8
    ],
)
def test_what_is_refused_is_named(raw, words):
    with pytest.raises(BadCbor) as caught:
        read_cbor_object(raw)
    assert words in str(caught.value)


def test_indefinite_lengths_as_small_encoders_write_them():
    raw = b"\xbf\x61a\x7f\x61b\x61c\xff\x61d\x9f\x01\x02\xff\xff"
    assert read_cbor_object(raw) == {"a": "bc", "d": [1, 2]}
