"""Progress against the plan: each milestone met, late or not computable, from registry and logs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

from auditsvc.catalog.model import Milestone, Project


class Progress(Enum):
    """Status of a milestone at the end of the period."""

    MET = "met"
    LATE = "late"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True)
class MilestoneResult:
    """A milestone with its status.

    Attributes:
        days_late: whole days after ``due``, 0 when met, None when not known.
        reason: a key of the table of reasons in docs/reports.md.
        seen, expected: how many interfaces and consumers the logs show, of those the milestone requires.
    """

    milestone: Milestone
    progress: Progress
    days_late: int | None
    reason: str
    seen: int
    expected: int


def judge_milestones(
    project: Project, *, first_seen: Mapping[str, date], log_begins: date | None, end: date
) -> tuple[MilestoneResult, ...]:
    """Return the status of each milestone of a project.

    Args:
        project: the project as registered.
        first_seen: local day of an interface's or consumer's first success with the project, up to ``end``.
        log_begins: local day of the first access in the log; None when there is none.
        end: last local day of the period.
    """
    return tuple(_judge(milestone, first_seen, log_begins, end) for milestone in project.milestones)


def _judge(milestone: Milestone, first_seen: Mapping[str, date], log_begins: date | None, end: date) -> MilestoneResult:
    """Judge one milestone: a declared day decides; without one, only a log that begins early enough can."""
    wanted = {*milestone.interfaces, *milestone.consumers}
    days = [first_seen[name] for name in wanted if name in first_seen]

    def result(progress: Progress, days_late: int | None, reason: str) -> MilestoneResult:
        return MilestoneResult(milestone, progress, days_late, reason, len(days), len(wanted))

    all_seen = bool(wanted) and len(days) == len(wanted)
    if milestone.actual is not None and milestone.actual <= end:
        late = (milestone.actual - milestone.due).days
        supported = "declared_and_seen" if all_seen else "declared_only"
        return result(Progress.LATE, late, supported) if late > 0 else result(Progress.MET, 0, supported)
    if all_seen:
        late = (max(days) - milestone.due).days
        if late <= 0:
            return result(Progress.MET, 0, "seen_in_log")
        if log_begins is None or log_begins > milestone.due:
            return result(Progress.NOT_COMPUTABLE, None, "log_begins_after_due")
        return result(Progress.LATE, late, "seen_after_due")
    if end <= milestone.due:
        return result(Progress.NOT_COMPUTABLE, None, "not_yet_due")
    if not wanted:
        return result(Progress.NOT_COMPUTABLE, None, "nothing_to_see")
    return result(Progress.LATE, (end - milestone.due).days, "not_reached")
