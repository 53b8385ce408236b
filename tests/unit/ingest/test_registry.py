"""The catalogue accepts exactly the readers that exist."""

from auditsvc.catalog.model import READER_NAMES
from auditsvc.ingest.readers.registry import READERS


def test_the_catalogue_accepts_the_readers_of_the_registry() -> None:
    assert list(READER_NAMES) == list(READERS)
