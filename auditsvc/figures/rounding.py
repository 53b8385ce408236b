"""Quotients and percentages as figures print them: fixed decimals, half to even."""

from decimal import ROUND_HALF_EVEN, Decimal


def quotient(numerator: Decimal | int, denominator: Decimal | int, digits: int = 2) -> Decimal:
    """Return ``numerator / denominator`` with ``digits`` decimals, half to even; ``denominator`` is not zero."""
    step = Decimal(1).scaleb(-digits)
    return (Decimal(numerator) / Decimal(denominator)).quantize(step, ROUND_HALF_EVEN)


def percent(numerator: Decimal | int, denominator: Decimal | int) -> Decimal:
    """Return a percentage with two decimals; ``denominator`` is not zero."""
    return quotient(Decimal(numerator) * 100, denominator)
