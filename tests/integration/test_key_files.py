"""Every key of an installation is made once, in one piece, and never replaced silently."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from auditsvc.auth.bearer import load_or_create_token_key
from auditsvc.auth.session_key import load_or_create_session_key
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.errors import AuditError
from auditsvc.ingest.readers.subject import load_or_create_subject_hasher
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.reports.keys import load_or_create_report_keys
from tests.support.faults import kill_at_every_step

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

REPORT_FILES = ("report-jws.pem", "report-pdf.pem", "report-pdf.crt.pem", "report-pdf-ca.crt.pem")


def load_report_keys(folder: Path) -> object:
    return load_or_create_report_keys(folder, SystemClock(), "log/test")


LOADERS: dict[str, Callable[[Path], object]] = {
    "log.key": lambda folder: load_log_vkey(folder, "log/test"),
    "api-token.pem": load_or_create_token_key,
    "subject.key": lambda folder: load_or_create_subject_hasher(folder)("7"),
    "session.key": load_or_create_session_key,
    "report/report-jws.pem": load_report_keys,
}
"""What is read from each file: equal for equal keys."""


@pytest.mark.parametrize("name", LOADERS)
def test_a_process_that_dies_while_it_makes_a_key_leaves_all_of_it_or_nothing(name: str, tmp_path: Path) -> None:
    load, deaths, kept = LOADERS[name], 0, 0
    for moment in kill_at_every_step(lambda number: load(tmp_path / str(number))):
        path = tmp_path / str(moment) / name
        before = path.read_bytes() if path.exists() else None
        first = load(tmp_path / str(moment))
        assert before in {None, path.read_bytes()}, moment
        assert load(tmp_path / str(moment)) == first
        deaths, kept = deaths + 1, kept + (before is not None)
    assert 0 < kept < deaths


@pytest.mark.parametrize("name", LOADERS)
def test_those_who_make_a_key_at_the_same_time_all_use_the_same(name: str, tmp_path: Path) -> None:
    barrier = Barrier(8)

    def load(folder: Path) -> object:
        barrier.wait()
        return LOADERS[name](folder)

    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            folder = tmp_path / str(turn)
            keys = list(pool.map(load, [folder] * 8))
            assert all(key == keys[0] for key in keys)
            assert keys[0] == LOADERS[name](folder)
            assert not list(folder.rglob("*.draft"))


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("kept", [0, 20], ids=["empty", "cut short"])
def test_a_key_file_without_its_end_is_named_and_stays(name: str, kept: int, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    LOADERS[name](folder)
    path = folder / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AuditError) as caught:
        LOADERS[name](folder)
    assert caught.value.code == "key_unusable"
    assert str(path) in caught.value.message
    assert "restore it from the backup" in caught.value.message or "delete it" in caught.value.message
    assert path.stat().st_size == kept


@pytest.mark.parametrize("name", LOADERS)
def test_a_key_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    LOADERS[name](tmp_path)
    path = tmp_path / name
    path.unlink()
    path.mkdir()
    with pytest.raises(AuditError) as caught:
        LOADERS[name](tmp_path)
    assert caught.value.code == "key_unusable"
    assert f"`{path}`" in caught.value.message


def test_a_session_key_is_32_bytes_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = load_or_create_session_key(tmp_path / "keys")
    path = tmp_path / "keys" / "session.key"
    assert key == path.read_bytes()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (32, 0o600)
    path.write_bytes(key + b"\n")
    with pytest.raises(AuditError, match="expected 32 bytes, got 33"):
        load_or_create_session_key(tmp_path / "keys")


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = {
        "log.key": ec.generate_private_key(ec.SECP256R1()),
        "api-token.pem": ec.generate_private_key(ec.SECP384R1()),
    }
    for name, key in other.items():
        (tmp_path / name).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with pytest.raises(AuditError, match=f"{name}.* is not a"):
            LOADERS[name](tmp_path)


# --- the set of the report keys


def test_report_keys_of_an_older_installation_are_used_where_they_are(tmp_path: Path) -> None:
    keys = load_report_keys(tmp_path)
    for path in (tmp_path / "report").iterdir():
        path.rename(tmp_path / path.name)
    (tmp_path / "report").rmdir()
    assert load_report_keys(tmp_path) == keys
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("lost", REPORT_FILES)
@pytest.mark.parametrize("place", ["report", "."])
def test_a_lost_report_key_is_not_replaced(lost: str, place: str, tmp_path: Path) -> None:
    load_report_keys(tmp_path)
    for path in (tmp_path / "report").iterdir():
        path.rename(tmp_path / place / path.name)
    (tmp_path / place / lost).unlink()
    with pytest.raises(AuditError, match=f"`{lost}` missing"):
        load_report_keys(tmp_path)
    assert not (tmp_path / place / lost).exists()


def test_report_keys_in_both_places_are_refused(tmp_path: Path) -> None:
    load_report_keys(tmp_path)
    (tmp_path / "report-pdf.pem").write_bytes((tmp_path / "report" / "report-pdf.pem").read_bytes())
    with pytest.raises(AuditError, match="keep those that signed the reports"):
        load_report_keys(tmp_path)


@pytest.mark.parametrize("damaged", REPORT_FILES)
@pytest.mark.parametrize("kept", [0, 40], ids=["empty", "cut short"])
def test_the_damaged_file_of_the_report_keys_is_named(damaged: str, kept: int, tmp_path: Path) -> None:
    load_report_keys(tmp_path)
    path = tmp_path / "report" / damaged
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(AuditError) as caught:
        load_report_keys(tmp_path)
    assert caught.value.code == "key_unusable"
    assert f"`{path}`" in caught.value.message


def test_a_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    load_report_keys(tmp_path / "one")
    load_report_keys(tmp_path / "two")
    cert = tmp_path / "two" / "report" / "report-pdf.crt.pem"
    (tmp_path / "one" / "report" / cert.name).write_bytes(cert.read_bytes())
    with pytest.raises(AuditError, match=r"is not the certificate of `report-pdf\.pem`"):
        load_report_keys(tmp_path / "one")


def test_a_report_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    load_report_keys(tmp_path)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "report" / "report-jws.pem").write_bytes(pem)
    with pytest.raises(AuditError, match=r"report-jws\.pem` is not a P-256 key"):
        load_report_keys(tmp_path)


def test_a_disk_that_refuses_the_report_keys_is_reported(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"a file, not a folder")
    with pytest.raises(AuditError) as caught:
        load_report_keys(tmp_path / "keys")
    assert caught.value.code == "key_unusable"
