"""Bodies in chunks, as S3's clients sign them: the vectors of Amazon's documentation, in any pieces."""

from __future__ import annotations

import base64
import zlib

import pytest

from sekisho.aws.errors import AwsError
from sekisho.aws.s3_payload import (
    MOST_LINE,
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_CHUNKS_TRAILER,
    Payload,
    Signing,
)
from sekisho.aws.sigv4 import Credential, scope_of, signing_key

MOST = 1 << 20
STAMP = "20130524T000000Z"
CREDENTIAL = Credential("AKIAIOSFODNN7EXAMPLE", STAMP[:8], "us-east-1", "s3", (), "", 0.0, False, None, None)
KEY = signing_key(CREDENTIAL, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

# Amazon S3 API Reference, "Signature calculations for the Authorization header: transferring payload in
# multiple chunks", example: 65,536 and 1,024 times the letter a.
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
SIGNATURES = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)

# The same of "… multiple chunks with trailing headers".
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_SIGNATURES = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n"
)


def chunked(signatures: tuple[str, ...], trailer: bytes = b"") -> bytes:
    body = b""
    for size, signature in zip((65536, 1024, 0), signatures, strict=True):
        body += (
            f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + (b"\r\n" if size else b"")
        )
    return body + trailer + b"\r\n"


def signed(seed: str = SEED) -> Signing:
    return Signing(KEY, STAMP, scope_of(CREDENTIAL), seed)


def fed(payload: Payload, body: bytes, step: int) -> bytes:
    found = b"".join(
        piece for at in range(0, len(body), step) for piece in payload.receive(body[at : at + step])
    )
    payload.finish()
    return found


def plain_chunks(*chunks: bytes, trailer: bytes = b"") -> bytes:
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return body + b"0\r\n" + trailer + b"\r\n"


@pytest.mark.parametrize("step", [1 << 20, 4096, 7, 1])
def test_the_documented_example(step: int) -> None:
    headers = {"x-amz-decoded-content-length": "66560"}
    payload = Payload(headers, SIGNED_CHUNKS, signed(), MOST)
    assert fed(payload, chunked(SIGNATURES), step) == b"a" * 66560


@pytest.mark.parametrize("step", [1 << 20, 999])
def test_the_documented_example_with_a_trailer(step: int) -> None:
    headers = {"x-amz-decoded-content-length": "66560", "x-amz-trailer": "x-amz-checksum-crc32c"}
    payload = Payload(headers, SIGNED_CHUNKS_TRAILER, signed(TRAILER_SEED), MOST)
    assert fed(payload, chunked(TRAILER_SIGNATURES, TRAILER), step) == b"a" * 66560
    assert payload.checked == {"x-amz-checksum-crc32c": "sOO8/Q=="}


@pytest.mark.parametrize("place", [0, 100, 65536 + 120, -70])
def test_one_byte_that_is_another(place: int) -> None:
    body = bytearray(chunked(SIGNATURES))
    body[place] ^= 1
    payload = Payload({"x-amz-decoded-content-length": "66560"}, SIGNED_CHUNKS, signed(), MOST)
    with pytest.raises(AwsError):
        fed(payload, bytes(body), 4096)


def test_a_forged_trailer_signature() -> None:
    headers = {"x-amz-decoded-content-length": "66560", "x-amz-trailer": "x-amz-checksum-crc32c"}
    for trailer in (TRAILER.replace(b"d81f", b"d82f"), TRAILER.partition(b"\r\n")[0] + b"\r\n", b""):
        payload = Payload(headers, SIGNED_CHUNKS_TRAILER, signed(TRAILER_SEED), MOST)
        with pytest.raises(AwsError) as caught:
            fed(payload, chunked(TRAILER_SIGNATURES, trailer), 4096)
        assert caught.value.code == "SignatureDoesNotMatch"


CRC = base64.b64encode(zlib.crc32(b"hello world").to_bytes(4, "big"))


@pytest.mark.parametrize("step", [1000, 1])
def test_unsigned_chunks_with_a_checksum(step: int) -> None:
    headers = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "11"}
    body = plain_chunks(b"hello ", b"world", trailer=b"x-amz-checksum-crc32:" + CRC + b"\r\n")
    assert fed(Payload(headers, UNSIGNED_CHUNKS_TRAILER, None, MOST), body, step) == b"hello world"


@pytest.mark.parametrize(
    "body, code",
    [
        (plain_chunks(b"hello ", b"worlD", trailer=b"x-amz-checksum-crc32:" + CRC + b"\r\n"), "BadDigest"),
        (plain_chunks(b"hello world"), "InvalidRequest"),
        (plain_chunks(b"hello", trailer=b"x-amz-checksum-crc32:" + CRC + b"\r\n"), "IncompleteBody"),
        (plain_chunks(b"hello world!", trailer=b"x-amz-checksum-crc32:" + CRC + b"\r\n"), "IncompleteBody"),
        (b"b\r\nhello world", "IncompleteBody"),
        (b"b\r\nhello worldXX0\r\n\r\n", "IncompleteBody"),
        (b"zz\r\n", "InvalidRequest"),
        (b"b;chunk-signature=" + b"0" * 64 + b"\r\n", "InvalidRequest"),
        (b"-1\r\n", "InvalidRequest"),
        (b"1" * (MOST_LINE + 1), "InvalidRequest"),
        (plain_chunks(b"hello world", trailer=b"a" * (MOST_LINE + 1)), "InvalidRequest"),
        (plain_chunks(b"hello world", trailer=b"no colon\r\n"), "InvalidRequest"),
    ],
)
def test_what_is_no_such_body(body: bytes, code: str) -> None:
    headers = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": "11"}
    with pytest.raises(AwsError) as caught:
        fed(Payload(headers, UNSIGNED_CHUNKS_TRAILER, None, MOST), body, 1000)
    assert caught.value.code == code


def test_more_than_an_object_may_have() -> None:
    with pytest.raises(AwsError) as caught:
        Payload({"content-length": "11"}, "UNSIGNED-PAYLOAD", None, 10)
    assert caught.value.code == "EntityTooLarge"
    payload = Payload({}, "UNSIGNED-PAYLOAD", None, 10)
    payload.receive(b"0123456789")
    with pytest.raises(AwsError) as caught:
        payload.receive(b"0")
    assert caught.value.code == "EntityTooLarge"


def test_nothing_tells_the_key() -> None:
    assert KEY.hex() not in repr(signed()) and repr(KEY) not in repr(signed())
