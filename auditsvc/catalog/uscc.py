"""The unified social credit code of an organisation (GB 32100-2015): its form and its check character."""

import re

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""The 31 characters of a code; I, O, S, V and Z are left out because they are easily misread."""

_FORM = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}\Z")
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))


def build_check_character(body: str) -> str:
    """Return the 18th character of the code that starts with the 17 characters ``body``."""
    total = sum(_VALUES[character] * weight for character, weight in zip(body, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def is_valid_uscc(code: str) -> bool:
    """Return whether ``code`` has 18 allowed characters, the last being the check character of the others."""
    return _FORM.match(code) is not None and build_check_character(code[:17]) == code[17]
