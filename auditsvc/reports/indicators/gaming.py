"""Signs of inflated use figures; each is a question to the owner, not a finding."""

from dataclasses import dataclass
from decimal import Decimal

from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import percent

DOMINANT_SHARE = Decimal("80.00")
"""One consumer with more than this share of all successes."""
NIGHT_SHARE = Decimal("30.00")
"""More than this share of successes between 00:00 and 05:00, five twenty-fourths of the day."""
OWN_SHARE = Decimal("20.00")
"""More than this share of successes by the provider itself."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign: ``share`` per cent of ``of`` successes, raised above ``limit``; ``subject`` is the consumer, if any."""

    id: str
    share: Decimal
    limit: Decimal
    count: int
    of: int
    subject: str = ""

    @property
    def raised(self) -> bool:
        """Whether the share is above the limit."""
        return self.share > self.limit


def list_signals(use: ProjectUse) -> tuple[Signal, ...]:
    """Return every sign that was checked, raised or not; none when there were no successes."""
    if use.successes == 0:
        return ()
    found = []
    if use.cross:
        top, count = max(use.cross.items(), key=lambda pair: (pair[1], pair[0]))
        found.append(_build("one_consumer", DOMINANT_SHARE, count, use.successes, top))
    found.append(_build("own_calls", OWN_SHARE, use.own, use.successes))
    found.append(_build("night_calls", NIGHT_SHARE, use.night, use.successes))
    return tuple(found)


def _build(id_: str, limit: Decimal, count: int, of: int, subject: str = "") -> Signal:
    return Signal(id_, percent(count, of), limit, count, of, subject)
