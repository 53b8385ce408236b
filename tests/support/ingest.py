"""An ingest worker over a small catalogue, called as a web server calls it."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from auditsvc.catalog.model import Source
from auditsvc.ground.bilingual import Text
from auditsvc.ground.clock import Clock, FixedClock
from auditsvc.ground.database import begin_write, migrate, open_engine
from auditsvc.ground.document import build_bundle, parse_document
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.credentials import create_key
from auditsvc.ingest.wsgi import IngestApp, build_ingest_app
from auditsvc.ledger.ledger import Ledger

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ORGANISATION = "11371200LWEX0003XY"
CATALOG = {
    "city.yaml": "city: {name: {zh: 某市, en: A city}, zone: Asia/Shanghai}\n",
    "organisations.yaml": """
organisations:
- {uscc: 11371200LWEX0003XY, name: {zh: 甲局, en: Office A}, level: city, division: "371200", from: 2010-01-01}
""",
    "resources.yaml": """
resources: []
""",
    "interfaces.yaml": "interfaces:\n"
    + "".join(
        f"- {{id: {name}, name: {{zh: 接口, en: Interface}}, protocol: rest, resources: [], provider: {ORGANISATION}, "
        f"network: extranet, domain: administrative_service, sources: [{source}], from: 2010-01-01}}\n"
        for name, source in (
            ("if-native", "native-1"),
            ("if-other", "native-2"),
            ("if-open", "web-1"),
            ("if-file", "web-1"),
            ("if-kong", "kong-1"),
            ("if-bus", "bus-1"),
        )
    ),
    "sources.yaml": """
sources:
- {id: native-1, title: {zh: 甲, en: A}, reader: native}
- {id: native-2, title: {zh: 乙, en: B}, reader: native}
- id: web-1
  title: {zh: 丙, en: C}
  reader: combined
  options:
    interfaces: [{path: "/files/*", id: if-file, action: download}]
    default_interface: if-open
- id: kong-1
  title: {zh: 丁, en: D}
  reader: mapped
  options:
    fields: {time: {path: started_at, format: epoch_ms}, http.status: response.status, http.method: request.method}
    default_interface: if-kong
- {id: bus-1, title: {zh: 戊, en: E}, reader: xroad, options: {default_interface: if-bus}}
- {id: broken-1, title: {zh: 己, en: F}, reader: combined, options: {colour: red}}
""",
}


def build_source(reader: str, **changes: Any) -> Source:
    """Return a source as the catalogue gives it."""
    values: dict[str, Any] = {
        "id": "source-1",
        "title": Text("来源", "Source"),
        "reader": reader,
        "zone": "Asia/Shanghai",
        "encoding": "utf-8",
        "interfaces": ("if-1", "if-2", "if-3"),
        "options": {},
        "defaults": {},
        **changes,
    }
    options = parse_document(json.dumps(values["options"]), "options")
    return Source(**{**values, "options": options})


def hash_plainly(number: str) -> str:
    """Stand in for the keyed hash, so that tests see what was hashed."""
    return f"k1:<{number}>"


def build_event(**changes: Any) -> dict[str, Any]:
    """Return a valid native event of source ``native-1``; None removes a member."""
    event = {
        "time": "2026-11-22T19:31:54.123+08:00",
        "id": "e-1",
        "action": "query",
        "outcome": "success",
        "consumer": {"org": ORGANISATION},
        "interface": {"id": "if-native"},
        **changes,
    }
    return {key: value for key, value in event.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the application answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True)
class Worker:
    """A running ingest application with a key for each source."""

    app: IngestApp
    settings: Settings
    keys: dict[str, str]
    key_ids: dict[str, str]
    clock: Clock

    def call(self, method: str, path: str, body: Any = b"", source: str | None = "native-1", **environ: Any) -> Reply:
        """Send a request; ``body`` is bytes or anything with ``read``; None removes an environment entry."""
        stream = io.BytesIO(body) if isinstance(body, bytes) else body
        path, _, query = path.partition("?")
        values: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": stream,
            "wsgi.input_terminated": True,
            "CONTENT_TYPE": "application/json",
            **({"CONTENT_LENGTH": str(len(body))} if isinstance(body, bytes) else {}),
            **({"HTTP_AUTHORIZATION": f"Bearer {self.keys[source]}"} if source is not None else {}),
            **environ,
        }
        caught: list[Any] = []
        given = self.app(
            {key: value for key, value in values.items() if value is not None}, lambda *args: caught.extend(args)
        )
        return Reply(int(caught[0].split()[0]), dict(caught[1]), b"".join(given))

    def post(
        self, body: Any, path: str = "/ingest/v1/events", source: str | None = "native-1", **environ: Any
    ) -> Reply:
        """Post a body; objects are sent as JSON."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        return self.call("POST", path, body, source, **environ)


@contextmanager
def run_worker(folder: Path, clock: Clock | None = None, **changes: Any) -> Iterator[Worker]:
    """Give a worker on a fresh data folder, with the small catalogue in force."""
    clock = clock or FixedClock(NOW)
    settings = Settings(data_dir=folder / "var", **changes)
    prepare_data(settings, clock)
    keys, key_ids = {}, {}
    engine = open_engine(settings.database)
    with begin_write(engine) as connection:
        for source in ("native-1", "native-2", "web-1", "kong-1", "bus-1", "broken-1", "gone-1"):
            key_ids[source], keys[source] = create_key(connection, clock, source)
    engine.dispose()
    app = build_ingest_app(settings, clock)
    try:
        yield Worker(app, settings, keys, key_ids, clock)
    finally:
        app.close()


def prepare_data(settings: Settings, clock: Clock) -> None:
    """Make the database and put the small catalogue in force."""
    engine = open_engine(settings.database)
    migrate(engine)
    ledger = Ledger.open(engine, settings, clock)
    with begin_write(engine) as connection:
        bundle = build_bundle(CATALOG)
        ledger.activate(connection, kind="catalog", bundle=bundle, actor="test")
    engine.dispose()
