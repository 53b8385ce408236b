"""Metrics of the core process in Prometheus' text format, read from the stores at each scrape.

Rules:
- Public, as health is; so numbers only, no personal data, and no label whose values a delivery controls.
- A metric that cannot be read is omitted rather than reported as 0, and its part named in ``auditsvc_part_unreadable``.
- Each answer is cached for a second, so that callers cannot overload the stores.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from auditsvc.api.health import find_checks
from auditsvc.auth.roles import public
from auditsvc.figures import violations
from auditsvc.figures.alerts import count_open_alerts
from auditsvc.figures.deliveries import measure_deliveries
from auditsvc.figures.lag import StoreStatus, count_records_accepted, measure_lag_seconds, read_log_status
from auditsvc.figures.scope import Scope
from auditsvc.figures.violations import SEVERITIES
from auditsvc.ground.database import read_session, report_failures
from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.runtime.readiness import ReadinessCheck
from auditsvc.runtime.services import EXTENSION, Services, read_status

KEEP_S = 1.0
"""How long an answer is cached, in seconds."""
_METRICS = "auditsvc-metrics"
_PARTS = ("ledger", "store", "alerts")
_STATES = ("ok", "unavailable")
_PREFIX = "auditsvc_"
_LAG = "Seconds since the first leaf that is not judged was accepted; 0 when all are."

blueprint = Blueprint("metrics", __name__)


class ServiceCollector:
    """Reads every metric of a core process; :meth:`collect` is called once per answer."""

    def __init__(self, services: Services, find: Callable[[], tuple[ReadinessCheck, ...]]) -> None:
        """Read from ``services``; ``find`` returns the current health checks."""
        self._services = services
        self._find = find
        self._summed = (-1, 0)

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registration queries no store."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric that can be read now."""
        checks = self._find()
        store = read_status(self._services)
        yield from _tell_checks(checks)
        yield from _tell_store(store)
        unreadable = dict.fromkeys(_PARTS, 0)
        readers: Mapping[str, Callable[[], list[Metric]]] = {
            "ledger": self._read_ledger,
            "store": lambda: self._read_store(store),
            "alerts": self._read_alerts,
        }
        for part, read in readers.items():
            try:
                with report_failures():
                    metrics = read()
                yield from metrics
            except (AuditError, OSError):
                unreadable[part] = 1
        yield _gauge("part_unreadable", "1 where figures are missing from this answer.", "part", unreadable)

    def _read_ledger(self) -> list[Metric]:
        """Return the metrics of accepted deliveries and signed checkpoints."""
        ledger = self._services.ledger
        status = read_log_status(ledger)
        last, counted = self._summed
        newest, added = count_records_accepted(ledger, last)
        self._summed = newest, counted + added
        metrics = [
            _counter("records_accepted", "Records the ledger acknowledged.", counted + added),
            _gauge_of("log_leaves", "Leaves of the log.", status.size),
            _gauge_of("checkpoint_leaves", "Leaves under the latest checkpoint.", status.signed_size),
        ]
        if status.signed_at is not None:
            age = max(0.0, (ledger.clock.now() - status.signed_at).total_seconds())
            metrics.append(_gauge_of("checkpoint_age_seconds", "Seconds since the latest checkpoint was signed.", age))
        return metrics

    def _read_store(self, store: StoreStatus) -> list[Metric]:
        """Return the metrics of judged events and their lag; empty when the store is unavailable."""
        if store.judged_size is None:
            raise StorageError("storage_unavailable", store.reason or "event store: no answer")
        services = self._services
        totals = measure_deliveries(services.store)
        found = violations.count_by_value(Scope.of_all(services.store, services.settings.zone), "severity")
        findings = CounterMetricFamily(
            f"{_PREFIX}findings", "Violations of policies in force, by severity.", labels=["severity"]
        )
        for severity in SEVERITIES:
            findings.add_metric([severity], found.get(severity, 0))
        return [
            _counter("events_judged", "Events judged and stored.", totals.events),
            _counter("records_quarantined", "Records that gave no event.", totals.quarantined),
            findings,
            _gauge_of("lag_records", "Records accepted but not judged yet.", store.records_behind or 0),
            _gauge_of("lag_seconds", _LAG, measure_lag_seconds(services.ledger, store.judged_size)),
            _gauge_of("dead_letters", "Rows the event store could not take.", store.dead_letters or 0),
        ]

    def _read_alerts(self) -> list[Metric]:
        """Return the metrics of alerts that are not closed."""
        with read_session(self._services.ledger.database) as session:
            numbers = count_open_alerts(session).by_severity
        return [_gauge("alerts_open", "Alerts not closed yet, by severity.", "severity", numbers)]


class Metrics:
    """The text of the metrics, at most :data:`KEEP_S` old."""

    def __init__(self, services: Services) -> None:
        """Report on ``services``."""
        self._registry = CollectorRegistry()
        self._registry.register(ServiceCollector(services, find_checks))
        self._lock = threading.Lock()
        self._made_at = float("-inf")
        self._text = b""

    def format(self) -> bytes:
        """Return the text; concurrent callers share one reading."""
        with self._lock:
            if time.monotonic() - self._made_at >= KEEP_S:
                self._text = generate_latest(self._registry)
                self._made_at = time.monotonic()
            return self._text


def install_metrics(app: Flask) -> None:
    """Serve the metrics of ``app``'s services."""
    app.extensions[_METRICS] = Metrics(app.extensions[EXTENSION])
    app.register_blueprint(blueprint)


@blueprint.get("/metrics")
@public
def show_metrics() -> Response:
    """Return the metrics in Prometheus' text format as a response."""
    metrics: Metrics = current_app.extensions[_METRICS]
    return Response(metrics.format(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _tell_checks(checks: tuple[ReadinessCheck, ...]) -> Iterator[Metric]:
    """Yield the results of the health checks."""
    ready = {check.name: int(check.reason is None) for check in checks}
    yield _gauge("check_ready", "1 for each check of /health/ready that holds.", "check", ready)
    yield _gauge_of("engine_failed", "1 while the engine does not follow the ledger.", 1 - ready.get("engine", 0))


def _tell_store(store: StoreStatus) -> Iterator[Metric]:
    """Yield the kind of the store, and whether it is available."""
    state = "ok" if store.reason is None else "unavailable"
    metric = GaugeMetricFamily(
        f"{_PREFIX}store_state", "1 for the state the event store is in.", labels=["kind", "state"]
    )
    for one in _STATES:
        metric.add_metric([store.kind, one], int(one == state))
    yield metric


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}{name}", text, value=value)


def _gauge_of(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}{name}", text, value=value)


def _gauge(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    """Return a gauge with a value for each value of one label."""
    metric = GaugeMetricFamily(f"{_PREFIX}{name}", text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric
