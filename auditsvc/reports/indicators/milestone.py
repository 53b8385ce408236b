"""Progress against the plan: each milestone met, late or not computable, from registry and logs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import Enum

from auditsvc.catalog.model import Milestone, Project


class Progress(Enum):
    """Where a milestone stands at the end of the period."""

    MET = "met"
    LATE = "late"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True)
class MilestoneResult:
    """A milestone and how it stands.

    Attributes:
        days_late: whole days after ``due``, 0 when met, None when not known.
        reason: key of the reasons in docs/reports.md.
        seen, expected: interfaces and consumers the logs had to show for it, and how many they showed.
    """

    milestone: Milestone
    progress: Progress
    days_late: int | None
    reason: str
    seen: int
    expected: int


def judge_milestones(
    project: Project, *, delivered: Collection[str], consumers: Collection[str], log_begins: date | None, end: date
) -> tuple[MilestoneResult, ...]:
    """Return how each milestone of a project stands.

    Args:
        project: the project as registered.
        delivered: interfaces with a success on or before ``end``.
        consumers: organisations with a success on one of the project's interfaces on or before ``end``.
        log_begins: local day of the first access in the log; None when there is none.
        end: last local day of the period.
    """
    return tuple(_judge(milestone, set(delivered), set(consumers), log_begins, end) for milestone in project.milestones)


def _judge(
    milestone: Milestone, delivered: set[str], consumers: set[str], log_begins: date | None, end: date
) -> MilestoneResult:
    """Judge one milestone: a declared day decides; without one only a log that was there in time can tell."""
    expected = len(milestone.interfaces) + len(milestone.consumers)
    seen = len(delivered & set(milestone.interfaces)) + len(consumers & set(milestone.consumers))

    def result(progress: Progress, days_late: int | None, reason: str) -> MilestoneResult:
        return MilestoneResult(milestone, progress, days_late, reason, seen, expected)

    supported = "declared_and_seen" if expected and seen == expected else "declared_only"
    if milestone.actual is not None and milestone.actual <= end:
        late = (milestone.actual - milestone.due).days
        return result(Progress.LATE, late, supported) if late > 0 else result(Progress.MET, 0, supported)
    if expected and seen == expected:
        if end <= milestone.due:
            return result(Progress.MET, 0, "seen_in_log")
        if log_begins is None or log_begins > milestone.due:
            return result(Progress.NOT_COMPUTABLE, None, "log_begins_after_due")
        return result(Progress.LATE, None, "seen_after_due")
    if end <= milestone.due:
        return result(Progress.NOT_COMPUTABLE, None, "not_yet_due")
    if not expected:
        return result(Progress.NOT_COMPUTABLE, None, "nothing_to_see")
    return result(Progress.LATE, (end - milestone.due).days, "not_reached")
