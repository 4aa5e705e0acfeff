"""The local cloud, booted once for all tests here, on ports of the system's choosing and in a folder of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.cloud import ROOT, LocalCloud
from infra.local.progress import Progress

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def playground() -> Iterator[Path]:
    """A folder inside .local/ that is gone afterwards."""
    (ROOT / ".local").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="e2e-", dir=ROOT / ".local"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cloud(playground: Path) -> Iterator[LocalCloud]:
    """The whole house, running."""
    cloud = LocalCloud(playground / "cloud", progress=Progress())
    cloud.start()
    yield cloud
    cloud.stop()
