"""What `docker/` says can be relied on without Docker: files of the right form, commands that exist, real certificates."""

import json
import re
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from auditsvc.cli.main import cli
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.role import build_role
from tools.elasticsearch.distribution import VERSION

ROOT = Path(__file__).parents[3]
DOCKER = ROOT / "docker"
COMPOSE_FILE = DOCKER / "compose.yaml"
PROGRAMS = Path(sys.executable).parent
MAKE = DOCKER / "make_certificates.py"
SETUP = DOCKER / "setup_elasticsearch.py"


def run(*words: str | Path, text_in: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=ROOT, capture_output=True, text=True, input=text_in)


def read_compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return loaded


SERVICES: Mapping[str, Mapping[str, Any]] = read_compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "auditsvc"}


def test_the_dockerfile_has_no_complaint_of_its_linter() -> None:
    done = run(PROGRAMS / "hadolint", "--no-color", "--failure-threshold", "style", DOCKER / "Dockerfile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_of_the_published_form() -> None:
    done = run(PROGRAMS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE)
    assert done.returncode == 0, done.stdout + done.stderr


def list_our_commands() -> Iterator[tuple[str, list[str]]]:
    for name, service in OURS.items():
        if "entrypoint" not in service:
            yield name, list(service["command"])
            continue
        for line in service["command"]:
            for words in re.findall(r"auditsvc ([a-z ]+?) [<>|&-]", line):
                yield name, words.split()


@pytest.mark.parametrize(("name", "words"), list(list_our_commands()), ids=lambda value: str(value))
def test_each_command_of_ours_exists_with_its_options(name: str, words: list[str]) -> None:
    command: click.Command | None = cli
    rest = words
    while isinstance(command, click.Group):
        command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
    assert command is not None, f"{name}: auditsvc {' '.join(words)}"
    verbs = words[: len(words) - len(rest)]
    _, left, _ = command.make_parser(click.Context(command)).parse_args(list(rest))  # refuses unknown options
    assert not left
    assert CliRunner().invoke(cli, [*verbs, "--help"]).exit_code == 0


def test_an_option_we_do_not_have_would_be_noticed() -> None:
    command = cli.get_command(click.Context(cli), "init")
    assert command is not None
    with pytest.raises(click.NoSuchOption):
        command.make_parser(click.Context(command)).parse_args(["--polices", "x"])


@pytest.mark.parametrize("name", OURS)
def test_our_environment_is_accepted_as_settings(name: str) -> None:
    environment = {key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for key, value in OURS[name]["environment"].items()}
    made = Settings.from_mapping(environment)
    assert made.event_store == "elasticsearch"
    assert made.elasticsearch_hosts == ("https://elasticsearch:9200",)


def test_nothing_is_published_beyond_this_machine_and_elasticsearch_not_at_all() -> None:
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert {name for name, ports in published.items() if ports} == {"auditsvc", "kibana"}


def test_images_name_no_host_and_the_version_we_test_with() -> None:
    images = {service["image"] for service in SERVICES.values()}
    assert images == {"auditsvc", f"elasticsearch:{VERSION}", f"kibana:{VERSION}"}


def test_every_secret_volume_network_and_service_named_is_declared() -> None:
    compose = read_compose()
    for name, service in SERVICES.items():
        secrets = {one if isinstance(one, str) else one["source"] for one in service.get("secrets", [])}
        assert secrets <= set(compose["secrets"]), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            source = re.sub(r"\$\{\w+:-(.*)\}", r"\1", volume).split(":")[0]
            assert source in compose["volumes"] or (DOCKER / source).exists(), f"{name}: {source}"


def test_every_file_below_run_secrets_is_given_to_the_service_that_reads_it() -> None:
    for name, service in SERVICES.items():
        given = {one for one in service.get("secrets", []) if isinstance(one, str)}
        text = json.dumps([service.get(key, "") for key in ("command", "healthcheck")])
        assert set(re.findall(r"/run/secrets/([\w.]+)", text)) <= given, name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker") / "secrets"
    done = run(sys.executable, MAKE, folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_files_made_are_those_compose_mounts(made: Path) -> None:
    mounted = {Path(secret["file"]).name for secret in read_compose()["secrets"].values()}
    assert mounted == {path.name for path in made.iterdir()}


def test_only_certificates_are_open_to_others_and_the_folder_to_nobody(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    for path in made.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o444 if path.suffix == ".pem" else 0o400), path.name


@pytest.mark.parametrize("server", ["elasticsearch", "kibana"])
def test_a_server_certificate_leads_to_the_authority_and_is_for_its_name_only(made: Path, server: str) -> None:
    authority, certificate = (load_certificate(made / f"{name}.pem") for name in ("ca", server))
    verifier = PolicyBuilder().store(Store([authority]))
    assert verifier.build_server_verifier(x509.DNSName(server)).verify(certificate, [])
    with pytest.raises(VerificationError):
        verifier.build_server_verifier(x509.DNSName("other")).verify(certificate, [])


def load_certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_no_key_of_the_authority_is_left(made: Path) -> None:
    authority = load_certificate(made / "ca.pem").public_key()
    for path in made.glob("*.key"):
        assert load_certificate(path.with_suffix(".pem")).public_key() != authority
    assert {path.name for path in made.glob("*.key")} == {"elasticsearch.key", "kibana.key"}


def test_passwords_are_long_different_and_the_copies_agree(made: Path) -> None:
    passwords = {
        name: (made / f"{name}.password").read_text().strip() for name in ("elastic", "auditsvc", "kibana_system")
    }
    assert len(set(passwords.values())) == 3
    assert all(len(password) == 32 for password in passwords.values())
    assert (made / "elastic.bootstrap").read_text() == passwords["elastic"]
    settings = yaml.safe_load((made / "kibana.yml").read_text())
    assert settings["elasticsearch.password"] == passwords["kibana_system"]


def test_a_second_run_changes_nothing_and_renewal_keeps_the_passwords(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "secrets"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(sys.executable, MAKE, folder).stdout == "nothing to make\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(sys.executable, MAKE, folder, "--renew").returncode == 0
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"ca.pem", "elasticsearch.pem", "elasticsearch.key", "kibana.pem", "kibana.key"}


@dataclass
class Cluster:
    """A stand-in for Elasticsearch's security API: real TLS with the certificates made, canned answers."""

    url: str = ""
    login: str = ""
    answers: list[int] = field(default_factory=list)
    seen: list[tuple[str, Any]] = field(default_factory=list)


@pytest.fixture
def cluster(made: Path) -> Iterator[Cluster]:
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = cluster.answers.pop(0) if cluster.answers else 200
            if status == 200:
                cluster.seen.append((self.path, body))
            cluster.login = self.headers["Authorization"]
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made / "elasticsearch.pem", made / "elasticsearch.key")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        cluster.url = f"https://localhost:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield cluster
        server.shutdown()
        thread.join()


def set_up(cluster: Cluster, made: Path) -> subprocess.CompletedProcess[str]:
    return run(
        *(sys.executable, SETUP, "--url", cluster.url, "--ca-file", made / "ca.pem"),
        *("--admin-password-file", made / "elastic.password", "--service-password-file", made / "auditsvc.password"),
        *("--kibana-password-file", made / "kibana_system.password"),
        text_in=json.dumps(build_role("gs")),
    )


def test_the_service_gets_its_least_role_and_nothing_more(cluster: Cluster, made: Path) -> None:
    done = set_up(cluster, made)
    assert done.returncode == 0, done.stderr
    passwords = {name: (made / f"{name}.password").read_text().strip() for name in ("auditsvc", "kibana_system")}
    assert cluster.seen == [
        ("/_security/role/auditsvc", build_role("gs")),
        (
            "/_security/user/auditsvc",
            {"password": passwords["auditsvc"], "roles": ["auditsvc"], "full_name": "auditsvc service"},
        ),
        ("/_security/user/kibana_system/_password", {"password": passwords["kibana_system"]}),
    ]
    assert all(password not in done.stdout + done.stderr for password in passwords.values())


def test_a_cluster_that_is_still_starting_is_asked_again_and_one_that_refuses_is_not(
    cluster: Cluster, made: Path
) -> None:
    cluster.answers = [503]
    assert set_up(cluster, made).returncode == 0
    cluster.seen.clear()
    cluster.answers = [403]
    done = set_up(cluster, made)
    assert (done.returncode, cluster.seen) == (3, [])
    assert "it answered 403" in done.stderr


def test_secrets_stay_out_of_the_image_and_out_of_the_repository() -> None:
    assert "docker/secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "secrets/" in (DOCKER / ".gitignore").read_text().splitlines()
