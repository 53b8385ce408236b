"""The signed-in person of the current request, typed; flask-login itself has no types."""

from typing import Any

from flask_login import current_user, login_user, logout_user

from auditsvc.auth.gate import current_person
from auditsvc.auth.model import Person

__all__ = ["begin", "current_person", "end", "find_person"]

_login: Any = login_user
_logout: Any = logout_user


def find_person() -> Person | None:
    """Return the signed-in person, or None; :func:`current_person` raises instead."""
    user: Any = current_user
    return current_person() if user.is_authenticated else None


def begin(person: Person) -> None:
    """Sign ``person`` in."""
    _login(person)


def end() -> None:
    """Sign the current person out."""
    _logout()
