"""The collector passes over what a process keeps for good, and still frees cycles."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from auditsvc.pipeline.collector import OLD_ROUNDS, YOUNG_OBJECTS, YOUNG_ROUNDS, spare_collector


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_was_loaded_is_passed_over_and_the_rest_looked_at_seldom() -> None:
    spare_collector()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == (YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)


def test_cycles_are_still_freed_without_being_asked() -> None:
    class Knot:
        """Refers to itself."""

        def __init__(self) -> None:
            self.self = self

    spare_collector()
    seen = weakref.ref(Knot())
    held = []
    while seen() is not None and len(held) <= 2 * YOUNG_OBJECTS:
        held.append([])
    assert seen() is None


def test_what_was_passed_over_is_freed_at_the_programs_end() -> None:
    program = (
        "from auditsvc.pipeline.collector import spare_collector\n"
        "class Knot:\n"
        "    def __del__(self):\n"
        "        print('freed')\n"
        "knot = Knot()\n"
        "knot.self = knot\n"
        "spare_collector()\n"
        "del knot\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "freed\n"
