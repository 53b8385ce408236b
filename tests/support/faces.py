"""A judged service with a little of everything, on either event store, for tests that ask every face for one figure.

The days are local (Asia/Shanghai); 2026-11-20 is a Friday. Beside each group of records stands what it adds to the
figures that tests/integration/faces expects.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from auditsvc.alerts.model import CloseReason
from auditsvc.alerts.service import acknowledge, close, list_alerts
from auditsvc.ground.database import write_session
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.write.committer import Committer
from auditsvc.store.elasticsearch.setup import install_templates
from tests.support.elastic import open_cluster, open_prefix
from tests.support.engine import TOWN, World, build_policy, build_record
from tests.support.service import Service, open_service

LATE_S = 90
"""Seconds since the delivery that is not judged was accepted."""

EXCEPTION = """forbid: {rows|gt: 100}
  exceptions:
    - {id: E-1, match: {purpose: relief-review}, from: 2026-01-01, until: 2026-12-31, approved_by: one, basis: order,
       reason: a test}"""
POLICIES = (
    build_policy("P-ROWS", body=EXCEPTION),
    build_policy("P-LOAD", target="action: download", body="forbid: {rows|gt: 10}", by="user.id")
    .replace("severity: high", "severity: low")
    .replace("action: query, outcome: success, rows: 1000", "action: download, outcome: success, rows: 1000"),
    build_policy("P-TRIAL", target="action: login", body="forbid: {rows|gt: 3}", status="shadow")
    .replace("action: query, outcome: success, rows: 1000", "action: login, outcome: success, rows: 1000")
    .replace("action: login, outcome: success, rows: 1}", "action: query, outcome: success, rows: 1}"),
)


def at(day: int, clock: str, month: int = 11) -> str:
    """Return a local time of 2026."""
    return f"2026-{month:02}-{day:02}T{clock}+08:00"


def call(name: str, time: str, side: str, key: str, rows: int) -> bytes:
    """Return one side of a call."""
    return build_record(name, time=time, side=side, correlation=key, rows=rows)


def beat(day: int, clock: str, interface: str) -> bytes:
    """Return a heartbeat."""
    return build_record(
        f"h-{interface}-{day}-{clock}", time=at(day, clock), action="heartbeat", interface__id=interface
    )


OLD = (
    build_record("old", time=at(5, "10:00:00", 10), rows=500),  # P-ROWS, of another month
    build_record("e0", time=at(22, "00:00:00", 10)),  # just before the first minute of the last 30 days
    build_record("e1", time=at(22, "12:00:00", 10)),
)
THURSDAY = (
    build_record("a1", time=at(19, "09:10:00")),
    build_record("a2", time=at(19, "09:20:00"), rows=101),  # P-ROWS
    build_record("a2", time=at(19, "09:20:00"), rows=101),  # a repeat
    call("k1-in", at(19, "09:30:00"), "consumer", "k-1", 1),
    call("k1-out", at(19, "09:30:01"), "provider", "k-1", 500),  # a second half, the only one that violates P-ROWS
    build_record("d0", time=at(19, "09:40:00"), action="download", rows=10),  # as many as P-LOAD allows
    build_record("x1", time=at(19, "09:50:00"), rows=900, purpose="relief-review"),  # excepted
    build_record("t1", time=at(19, "10:00:00"), labels__traffic="test"),
    build_record("i1", time=at(19, "10:10:00"), labels__traffic="internal"),
    build_record("p1", time=at(19, "10:20:00"), labels__traffic="probe"),
    build_record("l1", time=at(19, "10:30:00"), action="login", rows=5),  # P-TRIAL, which is on trial
    beat(19, "23:59:59", "both"),  # the last second before Friday
)
FRIDAY = (
    *(build_record(f"q{n}", time=at(20, f"09:00:{n:02}"), rows=200, consumer__org=TOWN) for n in range(30)),  # P-ROWS
    *(  # P-LOAD, an alert for each user
        build_record(f"w{n}", time=at(20, f"10:00:{n:02}"), action="download", rows=11, user__id=f"w-{n}")
        for n in range(55)
    ),
    call("k2-in", at(20, "15:59:59"), "consumer", "k-2", 1),
    call("k2-out", at(20, "16:00:00"), "provider", "k-2", 1),  # all that covers its hour
    *(beat(20, f"{hour:02}:00:00", "pop-query") for hour in (8, 11, 12, 14)),  # 13 and 17 are silent
    *(beat(20, f"{hour:02}:59:59", "both") for hour in range(10)),
    beat(21, "00:00:00", "both"),  # the first second after Friday
)
BROKEN = (b"broken\n", b"{\n")
WEB = b'10.0.0.1 - - [19/Nov/2026:09:30:00 +0800] "GET /list HTTP/1.1" 200 5\n'  # metadata
LATE = tuple(build_record(f"late{n}", time=at(20, "11:00:00")) for n in range(3))


def deliver_all(folder: Path) -> None:
    """Put everything but the late records in the ledger of ``folder``."""
    world = World(folder)
    world.activate_small(*POLICIES)
    for records in (OLD, THURSDAY, FRIDAY, BROKEN):
        world.deliver("gateway", *records)
    world.deliver("second", WEB)
    world.close()


def deliver_late(service: Service) -> None:
    """Put the late records in the ledger, unjudged, some time after all else, and let some time pass."""
    service.clock.instant += timedelta(seconds=LATE_S)
    body = b"".join(LATE)
    committer = Committer(service.services.ledger, service.services.settings)
    try:
        committer.submit(Delivery("gateway", "lines", body, len(LATE), None, b"\1" * 32, len(LATE), 0))
    finally:
        committer.close()
    service.clock.instant += timedelta(seconds=LATE_S)


def work_on_alerts(service: Service) -> None:
    """Take on the alert of the town; close that of October, and two of the users."""
    ledger = service.services.ledger
    with write_session(ledger.database) as session:
        alerts = list_alerts(session, limit=100).alerts
        (town,) = (one for one in alerts if TOWN in one.group.values())
        (october,) = (one for one in alerts if one.count == 1 and one.policy_id == "P-ROWS")
        users = [one for one in alerts if one.group.get("user.id") in {"w-0", "w-54"}]
        acknowledge(session, ledger, town.id, actor="officer")
        for one in (october, *users):
            close(session, ledger, one.id, actor="officer", reason=CloseReason.FALSE_DATA)


@contextmanager
def open_faces(folder: Path, kind: str) -> Iterator[Service]:
    """Give a service that has judged everything but the late records, not delivered yet, on a store of ``kind``."""
    deliver_all(folder)
    with ExitStack() as stack:
        changes: dict[str, Any] = {}
        if kind == "elasticsearch":
            admin, prefix = stack.enter_context(open_prefix())
            changes = {
                "event_store": kind,
                "elasticsearch_urls": open_cluster(),
                "elasticsearch_prefix": prefix,
                "elasticsearch_replicas": 0,
            }
        service = stack.enter_context(open_service(folder, **changes))
        if kind == "elasticsearch":
            install_templates(admin, service.services.settings)
        catch_up(service)
        work_on_alerts(service)
        catch_up(service)
        yield service


def catch_up(service: Service) -> None:
    """Judge all there is, and sign the log."""
    services = service.services
    assert services.event_engine is not None
    assert services.checkpointer is not None
    services.event_engine.catch_up()
    services.checkpointer.sign_now()
