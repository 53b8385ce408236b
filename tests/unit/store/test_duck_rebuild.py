"""The embedded store is rebuilt as the contract says."""

from pathlib import Path

import pytest

from auditsvc.ground.settings.model import Settings
from tests.support.rebuild_contract import RebuildContract


class TestDuckRebuild(RebuildContract):
    """The shared suite on DuckDB."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(data_dir=tmp_path, duckdb_memory_limit="1GB")
