"""The keyring: made once, readable by its owner only, and it seals."""

import json

import pytest

from sekisho.keyring import KeyringError, finish_rotation, open_keyring, rotate_ca
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


def test_a_new_ca_goes_before_the_old_one_and_takes_over_the_server_last(tmp_path, authority):
    url = f"file:{tmp_path / 'keyring.json'}"
    before = open_keyring(url, lambda: authority)
    sealed = before.seal("secret", "a")
    with pytest.raises(KeyringError, match="is not being changed"):
        finish_rotation(url)
    newer = make_ca("Sekisho 2", 1_700_000_000.0, 30)
    for keyring in (rotate_ca(url, lambda: newer), open_keyring(url, lambda: pytest.fail("made anew"))):
        assert keyring.ca == newer[0]
        assert keyring.server.certificate == authority[0]
        assert [a.certificate for a in keyring.authorities] == [newer[0], authority[0]]
        assert keyring.ca_pem.count("BEGIN CERTIFICATE") == 2
        assert keyring.open(sealed, "a") == "secret"
    with pytest.raises(KeyringError, match="is being changed already"):
        rotate_ca(url, lambda: pytest.fail("made a third"))
    for keyring in (finish_rotation(url), open_keyring(url, lambda: pytest.fail("made anew"))):
        assert keyring.server.certificate == keyring.ca == newer[0]
        assert keyring.authorities[1].key.private_numbers() == authority[1].private_numbers()
        assert keyring.ca_pem == keyring.authorities[0].pem
    assert [path.name for path in tmp_path.iterdir()] == ["keyring.json"]
    assert (tmp_path / "keyring.json").stat().st_mode & 0o777 == 0o600


def test_two_cannot_change_it_at_once(tmp_path, authority):
    url = f"file:{tmp_path / 'keyring.json'}"
    open_keyring(url, lambda: authority)
    text = (tmp_path / "keyring.json").read_text()
    (tmp_path / ".keyring.json.changing").touch()
    with pytest.raises(KeyringError, match="being changed, or that was interrupted"):
        rotate_ca(url, lambda: pytest.fail("made"))
    assert (tmp_path / "keyring.json").read_text() == text


def test_what_is_not_there_is_not_changed(tmp_path):
    with pytest.raises(KeyringError, match="is not there"):
        rotate_ca(f"file:{tmp_path / 'keyring.json'}", lambda: pytest.fail("made"))
