"""Free disk space of the folders that grow."""

import shutil
from pathlib import Path

from auditsvc.ground.settings.model import Settings

MIN_FREE_BYTES = 256 * 1024 * 1024
"""Below this much free space the disk counts as full: SQLite and DuckDB need room to commit."""


def list_growing_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders that grow with the log, each once."""
    return tuple(dict.fromkeys((settings.data_dir, settings.archive_path, settings.checkpoint_path.parent)))


def measure_free_bytes(folder: Path) -> int:
    """Return the free bytes on a folder's disk.

    Raises:
        OSError: the folder does not exist.
    """
    return shutil.disk_usage(folder).free
