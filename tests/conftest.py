"""What holds for every test: how much Hypothesis tries, by which seed a run can be repeated, and a quiet end."""

import gc
import os
from collections.abc import Iterator
from random import SystemRandom

import pytest
from hypothesis import settings

from tests.support.examples import PROFILE_KEY, choose_profile, register_profiles

register_profiles()
settings.load_profile(choose_profile(os.environ))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the run a seed unless one is asked for, so that every failure can be repeated."""
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(SystemRandom().getrandbits(32))


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    """Say after failures by which profile and seed they come again."""
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        profile, seed = settings.get_current_profile_name(), config.option.hypothesis_seed
        terminalreporter.write_line(f"to repeat: {PROFILE_KEY}={profile} pytest --hypothesis-seed={seed}")
    return (yield)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Let the interpreter free what the tests used.

    Hypothesis measures the collector by a callback, which the interpreter holds to its very end and with it everything
    that can be reached from there; DuckDB's binding then lists its own objects as leaked, after pytest's closing line.
    """
    gc.callbacks.clear()
