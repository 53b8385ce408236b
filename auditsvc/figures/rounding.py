"""Quotients and percentages of figures: fixed decimals, rounded half to even."""

from decimal import ROUND_HALF_EVEN, Decimal

HUNDRED = Decimal("100.00")
NEARLY_ALL = Decimal("99.99")


def quotient(numerator: Decimal | int, denominator: Decimal | int, digits: int = 2) -> Decimal:
    """Return ``numerator / denominator`` with ``digits`` decimals, half to even; ``denominator`` is not zero."""
    step = Decimal(1).scaleb(-digits)
    return (Decimal(numerator) / Decimal(denominator)).quantize(step, ROUND_HALF_EVEN)


def percent(numerator: Decimal | int, denominator: Decimal | int) -> Decimal:
    """Return a percentage with two decimals; ``denominator`` is not zero.

    A part that is less than the whole is never rounded up to 100.00, which reads as "all".
    """
    value = quotient(Decimal(numerator) * 100, denominator)
    return NEARLY_ALL if numerator < denominator and value == HUNDRED else value
