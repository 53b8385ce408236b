"""Invented people: operators by number, and data subjects whose identity numbers cannot exist."""

from datetime import date, timedelta
from random import Random

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_DIVISIONS = ("371202", "371203")
SUBJECTS = 40_000
"""Different persons the city's accesses are about."""


def build_identity_number(chance: Random) -> str:
    """Return 18 characters in the form of an identity number, with a check character that is wrong on purpose.

    No such number can have been issued to anybody, whatever the digits before it are.
    """
    birth = date(1940, 1, 1) + timedelta(days=chance.randrange(25_000))
    body = f"{chance.choice(_DIVISIONS)}{birth:%Y%m%d}{chance.randrange(1, 1000):03d}"
    right = find_check_character(body)
    return body + chance.choice([character for character in _CHECK if character not in (right, "X")])


def find_check_character(body: str) -> str:
    """Return the check character that GB 11643 asks for after the 17 digits ``body``."""
    return _CHECK[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def build_subjects(chance: Random) -> list[str]:
    """Return the identity numbers of the city's data subjects."""
    return [build_identity_number(chance) for _ in range(SUBJECTS)]
