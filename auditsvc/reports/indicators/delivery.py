"""I-01 interface delivery and I-02 active interfaces."""

from auditsvc.catalog.model import Project
from auditsvc.figures.period import Period
from auditsvc.figures.project_use import ProjectUse
from auditsvc.reports.indicators.model import IndicatorValue, build_share

ACTIVE_DAYS_A_MONTH = 4
"""An interface is active if it has successes on this many days out of thirty."""
MONTH_DAYS = 30


def compute_delivery(project: Project, use: ProjectUse) -> IndicatorValue:
    """Return I-01: promised interfaces with a success on or before the period's end, of those promised."""
    promised = set(project.interfaces)
    return build_share("I-01", len(promised & use.delivered), len(promised), use, "nothing_promised")


def compute_activity(project: Project, use: ProjectUse, period: Period) -> IndicatorValue:
    """Return I-02: delivered interfaces with successes on enough days of the period, of those delivered."""
    delivered = set(project.interfaces) & use.delivered
    least = count_least_days(period)
    active = {name for name in delivered if name in use.interfaces and use.interfaces[name].active_days >= least}
    return build_share("I-02", len(active), len(delivered), use, "nothing_delivered")


def count_least_days(period: Period) -> int:
    """Return on how many days an interface must be used in this period to be active; at least one."""
    return max(1, ACTIVE_DAYS_A_MONTH * period.days // MONTH_DAYS)
