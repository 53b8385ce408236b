"""One line of the doctor's checklist, and the exit code of a list of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from auditsvc.ground.errors import EXIT_DEPENDENCY, EXIT_FINDING, EXIT_OK, AuditError


class CheckOutcome(StrEnum):
    """What a check came to; what was not looked at is never shown as pass."""

    PASS = "pass"  # noqa: S105  (an outcome, no password)
    WARN = "warn"
    FAIL = "fail"
    SKIP = "not looked at"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: what was checked, the same in every run.
        text: what was found.
        advice: what to do about it, empty when there is nothing to do.
        is_down: whether a dependency is unavailable, rather than in a wrong state.
    """

    name: str
    outcome: CheckOutcome
    text: str
    advice: str = ""
    is_down: bool = False


def passed(name: str, text: str) -> Check:
    """Return a check that found everything as it should be."""
    return Check(name, CheckOutcome.PASS, text)


def warned(name: str, text: str, advice: str) -> Check:
    """Return a check that found something a person should know."""
    return Check(name, CheckOutcome.WARN, text, advice)


def failed(name: str, text: str, advice: str = "", *, is_down: bool = False) -> Check:
    """Return a check that found something that has to be put right."""
    return Check(name, CheckOutcome.FAIL, text, advice, is_down)


def skipped(name: str, text: str) -> Check:
    """Return a check that was not done, with the reason."""
    return Check(name, CheckOutcome.SKIP, text)


def attempt(name: str, look: Callable[[], Check | Iterable[Check]], *, is_down: bool = False) -> list[Check]:
    """Return the result of ``look``; an error of ours, the system or the database becomes a failed check ``name``."""
    try:
        found = look()
        return [found] if isinstance(found, Check) else list(found)
    except AuditError as err:
        return [failed(name, err.message, is_down=is_down)]
    except (SQLAlchemyError, OSError) as err:
        return [failed(name, f"{type(err).__name__}: {str(err).splitlines()[0]}", is_down=is_down)]


def find_exit_code(checks: Iterable[Check]) -> int:
    """Return 3 when a dependency is down, else 1 when a check failed, else 0; warnings change nothing."""
    bad = [check for check in checks if check.outcome is CheckOutcome.FAIL]
    if any(check.is_down for check in bad):
        return EXIT_DEPENDENCY
    return EXIT_FINDING if bad else EXIT_OK
