"""Code and layer archives unpacked once, in folders named after their content, and shared by all workers."""

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path

_KEPT = 24  # newest folders that survive a start of the engine

_lock = threading.Lock()
# Hashing 30 MB takes 30 ms and the engine hands out the same bytes object each time, so its identity is remembered.
_known: dict[int, tuple[bytes, Path]] = {}


def _folder() -> Path:
    return Path(os.environ["TMPDIR"]).with_name("unpacked")


def unpacked(archive: bytes) -> Path:
    """The folder that holds the contents of a zip archive. Raises zipfile.BadZipFile."""
    with _lock:
        known = _known.get(id(archive))
        if known and known[0] is archive and known[1].exists():
            return known[1]
        target = _folder() / hashlib.sha256(archive).hexdigest()[:32]
        if target.exists():
            os.utime(target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=target.parent, prefix="partial-"))
            with zipfile.ZipFile(io.BytesIO(archive)) as contents:
                contents.extractall(partial)
            partial.chmod(0o755)
            partial.rename(target)  # whole or not at all
        _known[id(archive)] = (archive, target)
        return target


def prune(data: Path) -> None:
    """Remove what a crash left half done and all but the newest folders."""
    folders = sorted((data / "unpacked").glob("*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in [*folders[_KEPT:], *(data / "unpacked").glob("partial-*")]:
        shutil.rmtree(folder, ignore_errors=True)
