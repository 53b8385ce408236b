"""Processes that die, and disks that fail, at a chosen step of writing a file."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("mkdir", "open", "fsync", "link", "rename", "replace")
"""Functions of :mod:`os` that are counted as steps."""
_KILLED, _FAILED = 9, 3


def kill_at_every_step(act: Callable[[int], object]) -> Iterator[int]:
    """Run ``act`` in a process of its own that dies before its first step, after it, before the second, and so on.

    ``act`` gets the number of the death, 0, 1, …, which is given after it for the caller to look at what is left; ends
    once ``act`` comes to its end. Nothing of the process runs after its death, no ``finally`` either.
    """
    moment = 0
    while _run_killed(act, moment):
        yield moment
        moment += 1


@contextmanager
def fail_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Let the step of this number, counted from 0, fail as on a full disk."""
    left = step

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrap(getattr(os, name)))
        yield


def _run_killed(act: Callable[[int], object], moment: int) -> bool:
    """Run ``act`` in a child that dies at ``moment``; return whether it did."""
    child = os.fork()
    if child == 0:
        _die_at(moment)
        code = _FAILED
        try:
            act(moment)
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, _KILLED}, code
    return code == _KILLED


def _die_at(moment: int) -> None:
    """End this process before step ``moment // 2`` when ``moment`` is even, else after it."""
    left = moment

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(_KILLED)
            done = real(*args, **kwargs)
            if left == 1:
                os._exit(_KILLED)
            left -= 2
            return done

        return call

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name)))
