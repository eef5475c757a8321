"""The keyring: made once, readable by its owner only, and it seals."""

import json

import pytest

from sekisho.keyring import KeyringError, open_keyring
from sekisho.logic.certificates import make_ca


@pytest.fixture(scope="module")
def authority():
    return make_ca("Sekisho", 1_700_000_000.0, 30)


def test_it_is_made_once_and_found_again(tmp_path, authority):
    url = f"file:{tmp_path / 'keyring.json'}"
    first = open_keyring(url, lambda: authority)
    again = open_keyring(url, lambda: pytest.fail("made a second time"))
    assert first.ca_pem == again.ca_pem
    assert (tmp_path / "keyring.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keyring.json"]


def test_what_is_sealed_opens_for_its_context_only(tmp_path, authority):
    keyring = open_keyring(f"file:{tmp_path / 'keyring.json'}", lambda: authority)
    sealed = keyring.seal("secret", "accesskey/AKIA1")
    assert "secret" not in sealed
    assert sealed != keyring.seal("secret", "accesskey/AKIA1")
    assert keyring.open(sealed, "accesskey/AKIA1") == "secret"
    with pytest.raises(KeyringError, match="accesskey/AKIA2") as caught:
        keyring.open(sealed, "accesskey/AKIA2")
    assert "secret" not in str(caught.value)


def test_a_keyring_that_others_may_read_is_refused(tmp_path, authority):
    path = tmp_path / "keyring.json"
    open_keyring(f"file:{path}", lambda: authority)
    path.chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        open_keyring(f"file:{path}", lambda: authority)


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"ca": "x", "caKey": "y", "master": "z"})])
def test_a_damaged_keyring_is_named_and_not_overwritten(tmp_path, authority, content):
    path = tmp_path / "keyring.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyringError, match=r"keyring\.json"):
        open_keyring(f"file:{path}", lambda: authority)
    assert path.read_text() == content


def test_an_unknown_kind_is_refused(authority):
    with pytest.raises(KeyringError, match="expected file:PATH"):
        open_keyring("pkcs11:token", lambda: authority)
