"""The append-only checkpoint file: finding its last whole note."""

import re
from pathlib import Path

from auditsvc.ledger.format.note import MAX_NOTE_BYTES, split_notes

_NOTE_END = re.compile("^— [^\n]*\n\n".encode(), re.MULTILINE)
_TAIL_BYTES = 4 * MAX_NOTE_BYTES
"""Two of the largest notes and an unfinished one fit; the file itself grows for years and is not read whole."""


def read_last_note(path: Path) -> tuple[str | None, int]:
    """Return the last whole note of a checkpoint file, None when there is none, and the offset where it ends.

    Raises:
        LogError: ``note_invalid`` when the end of the file is not a sequence of notes.
        OSError: the file exists but cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = max(0, size - _TAIL_BYTES)
            file.seek(begin)
            tail = file.read()
    except FileNotFoundError:
        return None, 0
    if begin:
        first = _NOTE_END.search(tail)
        skipped = first.end() if first else 0
        begin, tail = begin + skipped, tail[skipped:]
    notes = split_notes(tail.decode("utf-8", "replace"))
    return (notes[-1] if notes else None), begin + sum(len(note.encode()) + 1 for note in notes)
