"""Gives the service its user in Elasticsearch, and Kibana the password of its; safe to run again.

The role is read from standard input, as ``auditsvc store role`` prints it. Runs in the image, see ``docker/compose.yaml``.
"""

import argparse
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import httpx

SERVICE = "auditsvc"
WAIT_S = 120
"""How long the cluster may take until its security answers."""
PAUSE_S = 2.0
STARTING = frozenset({404, 429, 502, 503})
"""Answers of a cluster that has not found together yet."""


def main() -> int:
    """Put role, user and password; the exit code."""
    parser = argparse.ArgumentParser(description="Set up users in Elasticsearch; the role comes on standard input.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--ca-file", type=Path, required=True)
    parser.add_argument("--admin-password-file", type=Path, required=True)
    parser.add_argument("--service-password-file", type=Path, required=True)
    parser.add_argument("--kibana-password-file", type=Path)
    given = parser.parse_args()
    role = json.load(sys.stdin)
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", f"/_security/role/{SERVICE}", role),
        (
            "PUT",
            f"/_security/user/{SERVICE}",
            {"password": _read(given.service_password_file), "roles": [SERVICE], "full_name": "auditsvc service"},
        ),
    ]
    if given.kibana_password_file:
        body = {"password": _read(given.kibana_password_file)}
        requests.append(("PUT", "/_security/user/kibana_system/_password", body))
    trust = ssl.create_default_context(cafile=given.ca_file)
    login = ("elastic", _read(given.admin_password_file))
    with httpx.Client(base_url=given.url, verify=trust, auth=login, timeout=30, trust_env=False) as client:
        for method, path, body in requests:
            _send(client, method, path, body)
            print(f"done: {method} {path}")  # noqa: T201
    return 0


def _read(path: Path) -> str:
    """Return the one line of a file."""
    return path.read_text(encoding="utf-8").strip()


def _send(client: httpx.Client, method: str, path: str, body: dict[str, Any]) -> None:
    """Send a request until the cluster is there to take it; end with exit 3 when it is not or refuses."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            answer = client.request(method, path, json=body)
        except httpx.TransportError as err:
            trouble = str(err)
        else:
            if answer.is_success:
                return
            trouble = f"it answered {answer.status_code}: {answer.text[:500]}"
            if answer.status_code not in STARTING:
                break
        if time.monotonic() > end:
            break
        time.sleep(PAUSE_S)
    print(f"{method} {path}: {trouble}", file=sys.stderr)  # noqa: T201
    sys.exit(3)


if __name__ == "__main__":
    sys.exit(main())
