"""The worked city as a running service: set it up, push its logs, wait for judgement, fetch and verify the report.

Used by ``make run`` (:mod:`examples.laiwu.run`) and by the tests; everything goes through the command line and HTTP,
as it would for a real city.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "examples" / "laiwu" / "catalog"
POLICIES = ROOT / "policies"
ORIGIN = "auditsvc.laiwu.example/log"
PEOPLE = {"officer": "security_officer", "auditor": "auditor", "runner": "auditor"}
"""Accounts besides the administrators: name to role; ``runner`` is the one this program signs in as."""
READY_WITHIN_S = 180.0
"""It takes 5 s, but on a machine that does other things much longer."""
STOP_S = 120.0


class CityError(Exception):
    """A step of the worked city did not end as it must; the text says which and why."""


@dataclass(slots=True)
class City:
    """One data folder with its service.

    Attributes:
        data_dir: everything the service keeps.
        console_port, ingest_port: loopback ports.
        extra: further ``AUDITSVC_*`` settings.
        accounts: name to one-time password, filled by :meth:`set_up`.
    """

    data_dir: Path
    console_port: int
    ingest_port: int
    extra: Mapping[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)
    service: subprocess.Popen[bytes] | None = None
    token: str = ""
    _passwords: dict[str, str] = field(default_factory=dict)

    @property
    def console_url(self) -> str:
        """Address of console and API."""
        return f"http://127.0.0.1:{self.console_port}"

    @property
    def ingest_url(self) -> str:
        """Address of the ingest workers."""
        return f"http://127.0.0.1:{self.ingest_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command of this city."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AUDITSVC_")}
        return {
            **clean,
            "AUDITSVC_DATA_DIR": str(self.data_dir),
            "AUDITSVC_ORIGIN": ORIGIN,
            "AUDITSVC_CONSOLE_PORT": str(self.console_port),
            "AUDITSVC_INGEST_PORT": str(self.ingest_port),
            "AUDITSVC_LOG_LEVEL": "warning",
            **self.extra,
        }

    def command(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``auditsvc`` with ``words`` and return what it printed; raise :class:`CityError` when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "auditsvc", *map(str, words)],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise CityError(
                f"auditsvc {words[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done

    def set_up(self) -> None:
        """Make keys, databases and accounts, and put the city's policies and catalogue in force."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        people = [word for name, role in PEOPLE.items() for word in ("--account", f"{name}:{role}")]
        printed = self.command("init", "--policies", POLICIES, "--catalog", CATALOG, *people, "--json")
        made = json.loads(printed.stdout)["accounts"]
        self.accounts = {entry["name"]: entry["one_time_password"] for entry in made}

    def create_key(self, source: str) -> Path:
        """Make an API key for ``source`` and return the file that holds its secret."""
        printed = json.loads(self.command("source", "key", "create", source, "--json").stdout)
        path = self.data_dir / "source-keys" / f"{source}.key"
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(printed["key"])
        return path

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        log = (self.data_dir / "service.log").open("ab")
        self.service = subprocess.Popen(
            [sys.executable, "-m", "auditsvc", "serve"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
        )
        log.close()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self) -> None:
        """Wait until ingest and core both say they are ready."""
        end = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < end:
            if self.service is not None and self.service.poll() is not None:
                break
            with contextlib.suppress(httpx.HTTPError):
                answers = [httpx.get(f"{url}/health/ready", timeout=5) for url in (self.ingest_url, self.console_url)]
                if all(answer.status_code == 200 for answer in answers):
                    return
            time.sleep(0.2)
        raise CityError(f"the service did not become ready; see {self.data_dir / 'service.log'}")

    def stop(self) -> int:
        """Stop the service as an operator would and return its exit code."""
        if self.service is None:
            return 0
        self.service.send_signal(signal.SIGTERM)
        try:
            code = self.service.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.service.kill()
            code = self.service.wait()
        self.service = None
        return code

    def sign_in(self, name: str) -> None:
        """Get an API token as ``name``, whose one-time password is changed at the first time."""
        password = self.accounts.pop(name, None)
        if password is not None:
            self._passwords[name] = secrets.token_urlsafe(24)
            self._take_token(name, password)
            headers = {"Authorization": f"Bearer {self.token}"}
            body = {"old": password, "new": self._passwords[name]}
            url = f"{self.console_url}/api/v1/self/password"
            answer = httpx.put(url, json=body, headers=headers, timeout=60)
            if answer.status_code >= 400:
                raise CityError(f"PUT /self/password: {answer.status_code} {answer.text[:500]}")
        self._take_token(name, self._passwords[name])

    def _take_token(self, name: str, password: str) -> None:
        """Get a token for a name and password."""
        body = {"name": name, "password": password}
        self.token = check_answer(httpx.post(f"{self.console_url}/api/v1/tokens", json=body, timeout=60))[
            "access_token"
        ]

    def wait_judged(self, within_s: float = 900) -> dict[str, Any]:
        """Wait until everything accepted is judged and signed, and return the status."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            status: dict[str, Any] = self.get("/status")
            if status["lag"] == 0 and status["signed_size"] == status["log_size"]:
                return status
            time.sleep(0.3)
        raise CityError(f"not everything was judged within {within_s:.0f} s: {status}")

    def download_report(self, report: Mapping[str, Any], folder: Path, name: str) -> None:
        """Fetch every file of a report as ``<name>.<ending>``, and the trust file as ``trust.json``."""
        for file in self.get(f"/reports/{report['id']}")["files"]:
            held = file["name"]
            target = held if held == "trust.json" else f"{name}.{held.partition('.')[2]}"
            self.download(f"/reports/{report['id']}/files/{held}", folder / target)

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON answer of the API to a GET."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return check_answer(httpx.get(f"{self.console_url}/api/v1{path}", params=params, headers=headers, timeout=60))

    def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float = 300) -> Any:
        """Return the JSON answer of the API to a POST."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.console_url}/api/v1{path}"
        return check_answer(httpx.post(url, json=body, headers=headers, timeout=timeout_s))

    def download(self, path: str, target: Path) -> None:
        """Write the bytes of an API download to ``target``."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.stream("GET", f"{self.console_url}/api/v1{path}", headers=headers, timeout=300) as answer:
            if answer.status_code != 200:
                answer.read()
                raise CityError(f"GET {path}: {answer.status_code} {answer.text[:500]}")
            with target.open("wb") as file:
                for part in answer.iter_bytes():
                    file.write(part)

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Give every item of a paged list."""
        cursor = None
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next"]
            if not cursor:
                return


def check_answer(answer: httpx.Response) -> Any:
    """Return an answer's JSON; raise :class:`CityError` with the problem's text when it is not a success."""
    if answer.status_code >= 400:
        raise CityError(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    return answer.json()
