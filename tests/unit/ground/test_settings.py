"""Settings come from the environment and a TOML file, and nothing unknown slips in."""

from pathlib import Path

import pytest

from auditsvc.errors import AuditError
from auditsvc.settings import Settings


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


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AUDITSVC_INGESTPORT": "1"}, "unknown setting `AUDITSVC_INGESTPORT`"),
        ({"AUDITSVC_INGEST_PORT": "many"}, "AUDITSVC_INGEST_PORT: expected a whole number, got `many`"),
        ({"AUDITSVC_SECURE_COOKIES": "maybe"}, "expected true or false, got `maybe`"),
        ({"AUDITSVC_LOG_LEVEL": "loud"}, "expected one of debug, info, warning, error, got `loud`"),
        ({"AUDITSVC_TIME_ZONE": "Mars/Olympus"}, "`Mars/Olympus` is not a known IANA zone"),
        ({"AUDITSVC_ORIGIN": "two words"}, "origin: `two words` must be non-empty"),
        ({"AUDITSVC_CONFIG": "/nonexistent.toml"}, "cannot read `/nonexistent.toml`"),
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
    with pytest.raises(AuditError, match=r"auditsvc\.toml: colour"):
        Settings.from_mapping({"AUDITSVC_CONFIG": str(config)})
