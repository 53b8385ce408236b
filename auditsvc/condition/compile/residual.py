"""The residual condition: the part that a store's query leaves to the Python reference."""

from collections.abc import Sequence

from auditsvc.condition.ast import All, Node


def build_residual(parts: Sequence[Node]) -> Node | None:
    """Return the conjunction of the parts; None without parts: then the query is exact."""
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else All(tuple(parts))
