"""Atomic, durable file writes.

Every file that outlives its process is written here: to a draft in the same folder, synced, then renamed or linked
to its final name, and the folder synced. At any moment, also after a crash, the name refers to all of the old bytes,
all of the new ones, or nothing. A crash may leave a draft behind (a hidden name that ends with ``.draft``); it is
never read and may be removed.

Not written here: logs that only grow (segments, the checkpoint file), locks, and scratch in a temporary folder.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
"""Mode of a secret: accessible only to its owner."""
SHARED = 0o666
"""Mode of all other files, subject to the process's umask."""
_PRIVATE_FOLDER = 0o700


def write_once(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write a new file unless it exists: when two processes race, the first one wins and both use its file.

    The folder is created if missing, with mode 0700.

    Raises:
        OSError: it cannot be written.
    """
    make_folder(path.parent, _PRIVATE_FOLDER)
    with suppress(FileExistsError), _open_draft(path, mode, os.link) as file:
        file.write(data)
    sync_folder(path.parent)  # the other process may not have got this far


def replace_file(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write a file in an existing folder, atomically replacing any existing one.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    with open_replacement(path, mode) as file:
        file.write(data)


@contextmanager
def open_replacement(path: Path, mode: int = PRIVATE) -> Iterator[BinaryIO]:
    """Yield a file to write to, which becomes ``path`` when the block ends without an error.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    with _open_draft(path, mode, os.replace) as file:
        yield file


def write_folder(folder: Path, files: Mapping[str, bytes], mode: int = PRIVATE) -> None:
    """Write a new folder with its files atomically: it exists with all of them, or not at all.

    The parent folder is created if missing. Private files go into a folder of mode 0700.

    Raises:
        FileExistsError: the folder exists and is not empty; it is unchanged.
        OSError: it cannot be written.
    """
    folder_mode = _PRIVATE_FOLDER if mode == PRIVATE else 0o777
    make_folder(folder.parent, folder_mode)
    draft = _name_draft(folder)
    draft.mkdir(folder_mode)
    try:
        for name, data in files.items():
            _write(draft / name, data, mode)
        sync_folder(draft)
        _rename_new(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync_folder(folder.parent)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Create ``folder`` durably, with ``mode`` less the umask, and its missing parents.

    Raises:
        OSError: it cannot be created; ``NotADirectoryError`` when it, or a parent, is a file.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode, exist_ok=True)
    except FileExistsError as err:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from err
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Sync the directory entries of ``folder`` to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _open_draft(path: Path, mode: int, publish: Callable[[Path, Path], None]) -> Iterator[BinaryIO]:
    """Yield a draft of ``path``, which ``publish`` gives its name when the block ends without an error."""
    draft = _name_draft(path)
    try:
        with _create(draft, mode) as file:
            yield file
            _sync(file)
        publish(draft, path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _name_draft(path: Path) -> Path:
    """Return a unique name in the folder of ``path``; short, whatever the length of its own name."""
    return path.with_name(f".{uuid.uuid4().hex}.draft")


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write and sync a new file."""
    with _create(path, mode) as file:
        file.write(data)
        _sync(file)


def _create(path: Path, mode: int) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename_new(draft: Path, folder: Path) -> None:
    """Rename a folder; raise ``FileExistsError`` when the name is taken."""
    try:
        os.rename(draft, folder)  # noqa: PTH104 - beside os.link and os.replace, where a test makes each fail
    except OSError as err:
        if folder.exists():
            raise FileExistsError(err.errno, err.strerror, str(folder)) from err
        raise
