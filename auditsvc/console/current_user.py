"""The person of the present request, typed; flask-login itself has no types."""

from typing import Any

from flask_login import current_user, login_user, logout_user

from auditsvc.auth.gate import current_person
from auditsvc.auth.model import Person

__all__ = ["begin", "current_person", "end", "find_person"]

_login: Any = login_user
_logout: Any = logout_user


def find_person() -> Person | None:
    """Return who is signed in, None for a stranger; :func:`current_person` refuses strangers."""
    user: Any = current_user
    return current_person() if user.is_authenticated else None


def begin(person: Person) -> None:
    """Make ``person`` the one who is signed in."""
    _login(person)


def end() -> None:
    """Make the present session a stranger's."""
    _logout()
