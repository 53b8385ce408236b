"""Retries: bounded in number and time, with exponential backoff and jitter."""

from collections.abc import Callable

from tenacity import (
    Retrying,
    retry_base,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random_exponential,
)

ATTEMPTS = 8
GIVE_UP_S = 30.0
"""After this long there are no more retries: each refusal may take most of the client's time-out."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0

Sleep = Callable[[float], None]

_HALF = {"multiplier": FIRST_PAUSE_S, "max": LONGEST_PAUSE_S / 2}
_PAUSE = wait_exponential(**_HALF) + wait_random_exponential(**_HALF)
"""Half of each pause is jitter, to avoid synchronised retries."""


def build_retrying(sleep: Sleep, retry: retry_base, *, attempts: int = ATTEMPTS) -> Retrying:
    """Return a retry loop, which calls a function until its outcome is not to be retried.

    Args:
        sleep: called with the seconds to wait.
        retry: decides which outcomes are retried.
        attempts: maximum number of calls.

    When ``attempts`` or :data:`GIVE_UP_S` is exhausted, the loop raises the function's last exception, or ``RetryError``
    when the outcome was a result.
    """
    stop = stop_after_attempt(attempts) | stop_after_delay(GIVE_UP_S)
    return Retrying(sleep=sleep, stop=stop, wait=_PAUSE, retry=retry, reraise=True)
