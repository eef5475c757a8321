"""Settings: what wins, and what each wrong one is told."""

from pathlib import Path

import pytest

from sekisho.config import SETTINGS, ConfigError, load_config, settings_table

DOCS = Path(__file__).parents[2] / "docs"


def test_later_sources_win(tmp_path, monkeypatch):
    file = tmp_path / "sekisho.toml"
    file.write_text('region = "eu-west-1"\n[mqtt]\nport = 1\n[mqtt.limits]\npayload = 10\ntopic_bytes = 20\n')
    monkeypatch.setenv("SEKISHO_MQTT_LIMITS_PAYLOAD", "11")
    monkeypatch.setenv("SEKISHO_MQTT_PORT", "2")
    config = load_config(["mqtt.port=3"], file=file)
    assert config["region"] == "eu-west-1"
    assert config["mqtt.limits.topic_bytes"] == 20
    assert config["mqtt.limits.payload"] == 11
    assert config["mqtt.port"] == 3
    assert config["https.port"] == 8443


def test_the_database_and_the_keyring_lie_in_the_data_folder_unless_told(tmp_path):
    config = load_config([f"data={tmp_path}"])
    assert config.database == f"sqlite:{tmp_path / 'sekisho.db'}"
    assert config.keyring == f"file:{tmp_path / 'keyring.json'}"
    config = load_config(["database=postgresql://h/d", "keyring=file:/k"])
    assert (config.database, config.keyring) == ("postgresql://h/d", "file:/k")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("mqtt.prot=1", "there is no setting 'mqtt.prot'"),
        ("mqtt.port", "expected key=value"),
        ("mqtt.port=x", "mqtt.port = 'x': expected a number"),
        ("mqtt.port=-1", "must not be negative"),
        ("mqtt.port=70000", "at most 65535"),
        ("account=12", "expected 12 digits"),
        ("account=１２３４５６７８９０１２", "expected 12 digits"),
        ("mqtt.profile=loose", "mqtt.profile"),
        ("log.level=loud", "log.level = 'loud': debug, info, warning, error"),
        ("endpoint=my host", "'my host' in endpoint or server_names"),
        ("endpoint=", "'' in endpoint"),
        ("server_names=localhost,a/b", "'a/b' in endpoint or server_names"),
        ("bus=nats://h", "bus"),
        ("functions.hook=module", "functions.hook = 'module': expected package.module:callable"),
        ("functions.a.b=m:f", "there is no setting 'functions.a.b'"),
        ("functions.access_key=A", "both or neither"),
        ("functions.concurrency=0", "at least 1"),
        ("functions.endpoint=host", "expected http://HOST"),
    ],
)
def test_a_wrong_setting_is_named(override, words):
    with pytest.raises(ConfigError) as caught:
        load_config([override])
    assert words in str(caught.value)


def test_functions_have_names_of_the_users_own(tmp_path):
    file = tmp_path / "sekisho.toml"
    file.write_text('[functions]\npath = "/srv"\nhook = "fleet.hooks:check"\n')
    config = load_config(["functions.sign-csr=signing:sign"], file=file)
    assert config.functions == {"hook": "fleet.hooks:check", "sign-csr": "signing:sign"}
    assert config["functions.path"] == "/srv"


def test_a_wrong_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load_config(file=tmp_path / "nowhere.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("= 1")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        load_config(file=broken)


def test_every_setting_is_in_the_document():
    assert settings_table() in (DOCS / "settings.md").read_text()
    assert all(setting.meaning for setting in SETTINGS.values())


def test_the_first_of_several_regions_is_the_default():
    assert load_config([]).regions == ["us-east-1"]
    assert load_config(["region=eu-west-1"]).regions == ["eu-west-1"]
    config = load_config(["regions=eu-west-1, us-east-1,eu-west-1"])
    assert (config["region"], config.regions) == ("eu-west-1", ["eu-west-1", "us-east-1"])
    assert load_config(["regions=eu-west-1,us-east-1", "region=eu-west-1"])["region"] == "eu-west-1"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("regions=eu west", "region 'eu west'"),
        ("region=a.b", "region 'a.b'"),
        ("region=", "region ''"),
        ("domain=", "domain = ''"),
        ("domain=Example.com", "lower case"),
        ("domain=a..b", "domain = 'a..b'"),
        ("domain=" + "a." * 64 + "b", "at most 128"),
        ("multi_account_certificates=some", "data or all"),
    ],
)
def test_a_name_that_cannot_be_is_told(setting, words):
    with pytest.raises(ConfigError, match=words):
        load_config([setting])


def test_a_region_that_contradicts_the_regions_is_told():
    with pytest.raises(ConfigError, match="begins with another"):
        load_config(["regions=eu-west-1,eu-west-2", "region=eu-west-2"])
