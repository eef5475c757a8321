"""Archives of bills of materials, right ones and wrong ones."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from sekisho.logic import sbom
from sekisho.logic.sbom import FORMAT, SIZE, verdicts

SPDX = json.dumps({"spdxVersion": "SPDX-2.3", "packages": []})
SPDX3 = json.dumps({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []})
CYCLONE = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []})


def archive(*files: tuple[str, str | bytes], packed: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packed) as made:
        for name, text in files:
            made.writestr(name, text)
    return out.getvalue()


def test_spdx_and_cyclonedx_documents_are_right():
    found = verdicts(archive(("a.json", SPDX), ("d/b.json", SPDX3), ("c.json", CYCLONE)))
    assert found == [("a.json", "", ""), ("d/b.json", "", ""), ("c.json", "", "")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON document"),
        ("[" * 100_000, "not a JSON document"),
        ("[]", "not a JSON object"),
        ("{}", "neither"),
        ('{"bomFormat": "CycloneDX"}', "neither"),
        ('{"spdxVersion": 2}', "neither"),
        (b"\xff\xfe\x00", "not a JSON document"),
    ],
)
def test_a_file_that_is_none_is_named_with_the_reason(text, words):
    good, bad = verdicts(archive(("good.json", SPDX), ("bad.json", text)))
    assert good.error_code == ""
    assert (bad.file_name, bad.error_code) == ("bad.json", FORMAT)
    assert words in bad.error_message


def test_what_is_no_archive_has_one_verdict_without_a_name():
    for broken in (b"", b"PK\x03\x04", b"x" * 1000, archive((("a.json"), SPDX))[:60], archive()):
        (verdict,) = verdicts(broken)
        assert (verdict.file_name, verdict.error_code) == ("", FORMAT)


def test_a_damaged_file_within_is_named():
    whole = bytearray(archive(("a.json", SPDX * 50)))
    whole[60] ^= 0xFF
    (verdict,) = verdicts(bytes(whole))
    assert (verdict.file_name, verdict.error_code) == ("a.json", FORMAT)


def test_sizes_are_bounded_whatever_the_archive_says_of_them(monkeypatch):
    large = archive(("a.json", " " * (sbom.FILE_BYTES + 1)))
    assert len(large) < 100_000  # it unpacks to much more than it is
    (verdict,) = verdicts(large)
    assert (verdict.file_name, verdict.error_code) == ("a.json", SIZE)
    many = archive(*((f"{n}.json", SPDX) for n in range(sbom.FILES + 1)))
    assert [verdict.error_code for verdict in verdicts(many)] == [SIZE]
    assert verdicts(b"x" * (sbom.ARCHIVE_BYTES + 1))[0].error_code == SIZE


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_in_other_ways_is_not_unpacked(packed):
    """Damage in these is another error for each, and the memory that they take is their maker's to say."""
    whole = archive(("a.json", SPDX * 50), packed=packed)
    for at in range(36, 46):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        (verdict,) = verdicts(bytes(damaged))
        assert (verdict.file_name, verdict.error_code) == ("a.json", FORMAT)


def test_all_files_together_are_bounded():
    """Each may be as large as one may be, and there may be as many as there may be, but not both."""
    one = b"[" + b"{}," * ((sbom.FILE_BYTES - 10) // 3) + b"1]"
    (verdict,) = verdicts(archive(*((f"{n}.json", one) for n in range(9))))
    assert (verdict.file_name, verdict.error_code) == ("", SIZE)
    assert len(verdicts(archive(*((f"{n}.json", SPDX) for n in range(sbom.FILES))))) == sbom.FILES


def test_a_long_directory_is_not_read(monkeypatch):
    long = archive(*((f"{n}/", "") for n in range(sbom.ENTRIES)), ("a.json", SPDX))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert [verdict.error_code for verdict in verdicts(long)] == [SIZE]
