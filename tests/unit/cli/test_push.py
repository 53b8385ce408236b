"""``auditsvc push`` on the command line: what is wrong is said at once."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from auditsvc.cli.push import command
from auditsvc.ground.errors import InputError


@pytest.mark.parametrize("url", ["127.0.0.1:8471", "ftp://127.0.0.1", "http://[::1", "http://", "x"])
def test_what_is_no_address_is_refused_before_anything_is_read(tmp_path: Path, url: str) -> None:
    (tmp_path / "key").write_text("audit_1_2")
    (tmp_path / "log").write_text("line\n")
    options = [str(tmp_path / "log"), "--source", "s", "--key-file", str(tmp_path / "key"), "--url", url]
    failure = CliRunner().invoke(command, options).exception
    assert isinstance(failure, InputError)
    assert "http://127.0.0.1:8471" in failure.message


@pytest.mark.parametrize("key", [b"", b"\xff", b"two words", b"line\nline", "钥匙".encode()])
def test_a_file_without_a_key_is_named(tmp_path: Path, key: bytes) -> None:
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "log").write_text("line\n")
    options = [str(tmp_path / "log"), "--source", "s", "--key-file", str(tmp_path / "key")]
    failure = CliRunner().invoke(command, options).exception
    assert isinstance(failure, InputError)
    assert "does not hold an API key" in failure.message
