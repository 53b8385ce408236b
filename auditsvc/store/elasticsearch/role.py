"""The service's privileges in Elasticsearch: it may add and read documents, but not change or remove them."""

from typing import Any

_REWRITTEN = ("state", "batches-*", "undecided-*")
"""Sums of a batch and the position are overwritten when a chunk is rewritten; events never are."""


def build_role(*prefixes: str) -> dict[str, Any]:
    """Return the role of the service's user for stores under ``prefixes``, in the form the role API accepts."""
    return {
        "cluster": ["monitor"],
        "indices": [
            {
                "names": [f"{prefix}-*" for prefix in prefixes],
                "privileges": [
                    "create_doc",
                    "create_index",
                    "auto_configure",
                    "read",
                    "view_index_metadata",
                    "monitor",
                    "maintenance",
                ],
            },
            {"names": [f"{prefix}-{name}" for prefix in prefixes for name in _REWRITTEN], "privileges": ["index"]},
        ],
    }
