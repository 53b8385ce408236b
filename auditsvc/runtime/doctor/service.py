"""One checklist of the installation; may run beside the service, and changes nothing.

It writes one probe file in the archive and removes it. It makes no folder, key or table, migrates nothing, and never
takes the embedded store's lock.
"""

from auditsvc.ground.clock import Clock
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.doctor.check import Check
from auditsvc.runtime.doctor.elasticsearch import check_elasticsearch
from auditsvc.runtime.doctor.local import check_duckdb, check_installation


def examine_installation(settings: Settings, clock: Clock) -> list[Check]:
    """Return every check but that of the settings themselves."""
    store = check_elasticsearch if settings.event_store == "elasticsearch" else check_duckdb
    return [*check_installation(settings, clock), *store(settings)]
