"""Settings come from the environment and a TOML file, and nothing unknown slips in."""

import importlib.machinery
import importlib.util
from dataclasses import fields
from pathlib import Path

import pytest
from marshmallow.validate import Range

from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.ground.settings.schema import split_annotation


def test_defaults_put_everything_below_the_data_folder() -> None:
    settings = Settings.from_mapping({"AUDITSVC_DATA_DIR": "/data"})
    assert settings.archive_path == Path("/data/archive")
    assert settings.key_path == Path("/data/keys")
    assert settings.duckdb_path == Path("/data/events.duckdb")
    assert settings.database == "sqlite:////data/auditsvc.db"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "auditsvc.toml"
    config.write_text('ingest_workers = 3\nconsole_port = 9000\ntime_zone = "UTC"\n')
    settings = Settings.from_mapping({"AUDITSVC_CONFIG": str(config), "AUDITSVC_CONSOLE_PORT": "9001", "HOME": "/root"})
    assert (settings.ingest_workers, settings.console_port, settings.time_zone) == (3, 9001, "UTC")


WRONG = [
    ("INGEST_PORT", "many", "expected a whole number from 1 to 65535, got `many`"),
    ("CONSOLE_PORT", "99999", "expected a whole number from 1 to 65535, got `99999`"),
    ("CONSOLE_PORT", "0", "expected a whole number from 1 to 65535, got `0`"),
    ("INGEST_PORT", "-1", "expected a whole number from 1 to 65535, got `-1`"),
    ("INGEST_PORT", "8_471", "got `8_471`"),
    ("INGEST_PORT", "9" * 5000, "expected a whole number from 1 to 65535"),
    ("INGEST_PORT", "8470", "expected another port than the console's, got `8470` for both"),
    ("INGEST_WORKERS", "0", "expected a whole number from 1 to 64, got `0`"),
    ("INGEST_THREADS", "0", "expected a whole number from 1 to 1024, got `0`"),
    ("MAX_BODY_BYTES", "-1", "expected a whole number from 1 to 1073741824, got `-1`"),
    ("SESSION_MINUTES", "0", "expected a whole number from 1 to 10080, got `0`"),
    ("ARGON2_MEMORY_KIB", "16", "expected at least 32, which is 8 KiB for each of 4 lanes, got `16`"),
    ("WORKER_SLOT", "3", "expected -1 with 2 ingest workers"),
    ("DUCKDB_MEMORY_LIMIT", "x", "expected a number and a unit, such as `512MB` or `4GB`, got `x`"),
    ("DUCKDB_MEMORY_LIMIT", "0GB", "got `0GB`"),
    ("SECURE_COOKIES", "maybe", "expected true or false, got `maybe`"),
    ("LOG_LEVEL", "loud", "expected one of debug, info, warning, error, got `loud`"),
    ("TIME_ZONE", "Mars/Olympus", "expected a known IANA zone such as `Asia/Shanghai`, got `Mars/Olympus`"),
    ("TIME_ZONE", "Asia", "got `Asia`"),
    ("TIME_ZONE", "", "got ``"),
    ("ORIGIN", "two words", "expected a name without spaces and `+`"),
    ("CONSOLE_HOST", "localhost", "expected an IP address such as `127.0.0.1`, `0.0.0.0` or `::1`, got `localhost`"),
    ("DATA_DIR", "", "expected a path; leave the setting out for its default, got ``"),
    ("ARCHIVE_DIR", " ", "expected a path"),
    ("DATABASE_URL", "foo://x", "expected `sqlite:///FILE` or `postgresql://USER@HOST/NAME`, got `foo://…`"),
    ("DATABASE_URL", "nonsense", "expected `sqlite:///FILE` or `postgresql://USER@HOST/NAME`, got something else"),
    ("DATABASE_URL", "sqlite://", "expected `sqlite:///FILE`"),
    ("DATABASE_URL", "sqlite:///:memory:", "expected `sqlite:///FILE`"),
    ("EVENT_STORE", "oracle", "expected one of duckdb, elasticsearch, got `oracle`"),
    ("ELASTICSEARCH_URLS", "es1:9200", "got one that begins otherwise"),
    ("ELASTICSEARCH_URLS", "https://es1", "got `https://es1` without host and port"),
    ("ELASTICSEARCH_URLS", "https://es1:9200, https://es2:x", "got one with a port or host that cannot be"),
    ("ELASTICSEARCH_URLS", "https://es1:9200?a=1", "got `https://es1:9200?a=1`"),
    ("ELASTICSEARCH_PREFIX", "GS", "expected up to 40 lower-case letters, digits, `_` and `-`"),
    ("ELASTICSEARCH_PREFIX", "_gs", "a letter or digit first, got `_gs`"),
    ("ELASTICSEARCH_MONTH_SHARDS", "65", "expected a whole number from 1 to 64, got `65`"),
    ("ELASTICSEARCH_TIMEOUT_S", "0", "expected a whole number from 1 to 600, got `0`"),
]


@pytest.mark.parametrize(("name", "text", "said"), WRONG)
def test_a_wrong_value_is_refused_with_its_place_what_was_expected_and_got(name: str, text: str, said: str) -> None:
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping({f"AUDITSVC_{name}": text})
    assert caught.value.code == "settings_invalid"
    assert caught.value.message.startswith(f"AUDITSVC_{name}: ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data_dir = 5", "data_dir: expected text in quotes, got `5`"),
        ("data_dir = true", "data_dir: expected text in quotes, got `true`"),
        ("origin = ['a']", 'origin: expected text in quotes, got `["a"]`'),
        ("console_port = '9000'", 'console_port: expected a whole number from 1 to 65535, got `"9000"`'),
        ("console_port = true", "console_port: expected a whole number from 1 to 65535, got `true`"),
        ("console_port = 9000.5", "console_port: expected a whole number from 1 to 65535, got `9000.5`"),
        ("secure_cookies = 1", "secure_cookies: expected true or false, got `1`"),
        ("time_zone = 'Mars'", "time_zone: expected a known IANA zone"),
        ("[ingest]\nport = 1", "unknown setting `"),
    ],
)
def test_a_wrong_value_in_the_file_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    config = tmp_path / "auditsvc.toml"
    config.write_text(f"# settings\n\n{line}\n")
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping({"AUDITSVC_CONFIG": str(config)})
    assert caught.value.code == "settings_invalid"
    assert f"{config}:3: " in caught.value.message
    assert said in caught.value.message


def test_postgresql_without_its_driver_is_refused_and_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(AuditError, match="PostgreSQL needs the package `psycopg`, which is not installed") as caught:
        Settings.from_mapping({"AUDITSVC_DATABASE_URL": "postgresql://u:secret@h/a"})
    assert "secret" not in caught.value.message


def test_postgresql_with_its_driver_is_taken_and_the_driver_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: importlib.machinery.ModuleSpec("psycopg", None))
    settings = Settings.from_mapping({"AUDITSVC_DATABASE_URL": "postgresql://u@h/a"})
    assert settings.database == "postgresql+psycopg://u@h/a"


def test_addresses_of_elasticsearch_are_split_at_commas() -> None:
    settings = Settings.from_mapping({"AUDITSVC_ELASTICSEARCH_URLS": "https://es1:9200/, https://es2:9200,"})
    assert settings.elasticsearch_hosts == ("https://es1:9200", "https://es2:9200")
    assert Settings().elasticsearch_hosts == ()


def test_a_password_in_an_address_of_elasticsearch_is_refused_and_not_shown() -> None:
    with pytest.raises(AuditError, match="got one with a user or password") as caught:
        Settings.from_mapping({"AUDITSVC_ELASTICSEARCH_URLS": "https://u:secret@es1:9200"})
    assert "secret" not in caught.value.message


TOGETHER = [
    ({"EVENT_STORE": "elasticsearch"}, "ELASTICSEARCH_URLS: expected an address"),
    ({"ELASTICSEARCH_USER": "u"}, "ELASTICSEARCH_PASSWORD_FILE: expected a value"),
    ({"ELASTICSEARCH_PASSWORD_FILE": "/p"}, "ELASTICSEARCH_USER: expected a value"),
    (
        {"ELASTICSEARCH_USER": "u", "ELASTICSEARCH_PASSWORD_FILE": "/p", "ELASTICSEARCH_API_KEY_FILE": "/k"},
        "ELASTICSEARCH_API_KEY_FILE: expected none beside a user and password",
    ),
    (
        {"ELASTICSEARCH_API_KEY_FILE": "/k", "ELASTICSEARCH_URLS": "https://es1:9200,http://es2:9200"},
        "ELASTICSEARCH_URLS: expected `https://`, got `http://es2:9200`, which would send the password or key in the clear",
    ),
]


@pytest.mark.parametrize(("environ", "said"), TOGETHER)
def test_settings_of_elasticsearch_that_do_not_fit_together_are_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping({f"AUDITSVC_{name}": text for name, text in environ.items()})
    assert caught.value.code == "settings_invalid"
    assert said in caught.value.message


def test_a_secret_may_go_in_the_clear_to_this_machine_itself() -> None:
    given = {"ELASTICSEARCH_API_KEY_FILE": "/k", "ELASTICSEARCH_URLS": "http://127.0.0.1:9200,http://[::1]:9200"}
    assert Settings.from_mapping({f"AUDITSVC_{name}": text for name, text in given.items()}).elasticsearch_hosts


def test_the_folder_of_downloads_is_no_setting_of_the_service() -> None:
    assert Settings.from_mapping({"AUDITSVC_CACHE": "/x"}) == Settings()


def bounds_of(annotation: object) -> tuple[int, int]:
    (bounds,) = [one for one in split_annotation(annotation)[1] if isinstance(one, Range)]
    return bounds.min, bounds.max


NUMBERS = {field.name: field for field in fields(Settings) if split_annotation(field.type)[0] is int}


def test_every_whole_number_has_bounds_that_hold_its_default() -> None:
    assert len(NUMBERS) == 19
    for name, field in NUMBERS.items():
        least, most = bounds_of(field.type)
        assert least <= field.default <= most, name


def test_every_bound_stands_in_the_meaning_that_people_read() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    words = {1024**3: "1 GiB", 1024**4: "1 TiB"}
    for name, field in NUMBERS.items():
        most = bounds_of(field.type)[1]
        row = next(line for line in page.splitlines() if f"`AUDITSVC_{name.upper()}`" in line)
        assert words.get(most, str(most)) in row, name


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_whole_number_is_taken_at_its_bounds_and_refused_beyond_them(name: str) -> None:
    least, most = bounds_of(NUMBERS[name].type)
    beside = {"AUDITSVC_INGEST_WORKERS": "1", "AUDITSVC_ARGON2_PARALLELISM": "1"}
    for bound in (least, most):
        assert getattr(Settings.from_mapping(beside | {f"AUDITSVC_{name.upper()}": str(bound)}), name) == bound
    for beyond in (least - 1, most + 1):
        with pytest.raises(AuditError, match=f"got `{beyond}`"):
            Settings.from_mapping({f"AUDITSVC_{name.upper()}": str(beyond)})


@pytest.mark.parametrize(
    ("word", "meant"), [("true", True), ("TRUE", True), ("1", True), ("False", False), ("0", False)]
)
def test_a_truth_value_is_one_of_four_words(word: str, meant: bool) -> None:
    assert Settings.from_mapping({"AUDITSVC_SECURE_COOKIES": word}).secure_cookies is meant


@pytest.mark.parametrize("word", ["yes", "on", "t", "y", "off", "n", "f", "", "2"])
def test_no_other_word_is_a_truth_value(word: str) -> None:
    with pytest.raises(AuditError, match=f"expected true or false, got `{word}`"):
        Settings.from_mapping({"AUDITSVC_SECURE_COOKIES": word})


@pytest.mark.parametrize("text", ["8_471", " 8471", "+8471", "8471.0", "٨٤٧١", "0x20", ""])
def test_a_whole_number_is_written_in_plain_digits(text: str) -> None:
    with pytest.raises(AuditError, match="expected a whole number from 1 to 65535"):
        Settings.from_mapping({"AUDITSVC_CONSOLE_PORT": text})


def test_all_problems_of_both_sources_are_reported_at_once(tmp_path: Path) -> None:
    config = tmp_path / "auditsvc.toml"
    config.write_text('time_zone = "Mars"\nsecure_cookie = true\nlog_level = "loud"\n')
    environ = {"AUDITSVC_CONFIG": str(config), "AUDITSVC_CONSOLE_PORT": "0", "AUDITSVC_INGESTPORT": "1"}
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping(environ | {"AUDITSVC_LOG_LEVEL": "error"})
    lines = caught.value.message.splitlines()
    assert caught.value.context["problems"] == lines
    assert lines == [
        f"{config}:1: time_zone: expected a known IANA zone such as `Asia/Shanghai`, got `Mars`",
        f"unknown setting `{config}:2: secure_cookie`; did you mean `secure_cookies`?; docs/settings.md lists the known ones",
        "AUDITSVC_CONSOLE_PORT: expected a whole number from 1 to 65535, got `0`",
        "unknown setting `AUDITSVC_INGESTPORT`; did you mean `AUDITSVC_INGEST_PORT`?; docs/settings.md lists the known ones",
    ]


def test_all_contradictions_are_reported_at_once() -> None:
    environ = {"INGEST_PORT": "8470", "ARGON2_MEMORY_KIB": "31", "WORKER_SLOT": "0", "EVENT_STORE": "elasticsearch"}
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping({f"AUDITSVC_{name}": text for name, text in environ.items()})
    places = [line.partition(":")[0].removeprefix("AUDITSVC_") for line in caught.value.message.splitlines()]
    assert places == ["INGEST_PORT", "ARGON2_MEMORY_KIB", "WORKER_SLOT", "ELASTICSEARCH_URLS"]


@pytest.mark.parametrize("limit", ["512MB", "4GB", "1.5 GiB", "800mb"])
def test_the_event_stores_own_way_of_writing_memory_is_taken(limit: str) -> None:
    assert Settings.from_mapping({"AUDITSVC_DUCKDB_MEMORY_LIMIT": limit}).duckdb_memory_limit == limit


def test_addresses_of_ipv6_stand_in_brackets() -> None:
    settings = Settings.from_mapping({"AUDITSVC_CONSOLE_HOST": "::1"})
    assert (settings.console_url, settings.ingest_url) == ("http://[::1]:8470", "http://127.0.0.1:8471")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AUDITSVC_INGESTPORT": "1"}, "unknown setting `AUDITSVC_INGESTPORT`; did you mean `AUDITSVC_INGEST_PORT`?"),
        ({"AUDITSVC_CONFIG": "/nonexistent.toml"}, "AUDITSVC_CONFIG: cannot read `/nonexistent.toml`"),
        ({"AUDITSVC_CONFIG": "/"}, "AUDITSVC_CONFIG: cannot read `/`"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(environ: dict[str, str], said: str) -> None:
    with pytest.raises(AuditError) as caught:
        Settings.from_mapping(environ)
    assert caught.value.code == "settings_invalid"
    assert said in caught.value.message


def test_an_unknown_key_in_the_file_is_refused_with_the_file_named(tmp_path: Path) -> None:
    config = tmp_path / "auditsvc.toml"
    config.write_text("colour = 1\n")
    with pytest.raises(AuditError, match=r"auditsvc\.toml:1: colour"):
        Settings.from_mapping({"AUDITSVC_CONFIG": str(config)})


@pytest.mark.parametrize(
    "content", [b"console_port = \n", b"\xff\xfe\x00", b"a = 1\na = 2\n", b"console_port = " + b"9" * 5000]
)
def test_a_damaged_file_is_refused_with_its_name_and_place(tmp_path: Path, content: bytes) -> None:
    config = tmp_path / "auditsvc.toml"
    config.write_bytes(content)
    with pytest.raises(AuditError, match=r"AUDITSVC_CONFIG: `.*auditsvc\.toml` is not valid TOML: ") as caught:
        Settings.from_mapping({"AUDITSVC_CONFIG": str(config)})
    assert caught.value.code == "settings_invalid"
