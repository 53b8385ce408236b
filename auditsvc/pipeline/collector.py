"""The cycle collector of a process that judges events.

Events, findings and documents refer to each other in no cycles, so counting references frees them. By its defaults the
collector looks through them again and again all the same, since there are many and they live for a chunk.
"""

import atexit
import gc

YOUNG_OBJECTS = 50_000
"""New containers before the youngest are looked through; a chunk makes some hundred thousand."""
YOUNG_ROUNDS, OLD_ROUNDS = 20, 100


def spare_collector() -> None:
    """Look through what is made from now on, and seldom; ``benchmarks/engine.py`` measures with this in force.

    Call it once the process has loaded what it keeps for good.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else what is held in cycles outlives the interpreter, and DuckDB's binding tells so
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
