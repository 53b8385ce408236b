"""Garbage collector settings of a process that judges events.

Events, findings and documents form no reference cycles, so reference counting frees them. By default the cyclic garbage
collector nevertheless scans them repeatedly, since there are many and they live as long as their chunk.
"""

import atexit
import gc

YOUNG_OBJECTS = 50_000
"""Allocations of containers before the youngest generation is collected; a chunk makes some hundred thousand."""
YOUNG_ROUNDS, OLD_ROUNDS = 20, 100


def spare_collector() -> None:
    """Exclude existing objects from collection and collect less often; ``benchmarks/engine.py`` measures with this setting.

    Call it once the process has loaded its permanent data.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # otherwise objects in cycles outlive the interpreter, and DuckDB's binding complains
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
