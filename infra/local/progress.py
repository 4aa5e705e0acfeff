"""One line per step, with how long it took: what a person sees while the local cloud starts."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Note:
    """What a step wants to say about its result on its own line."""

    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str) -> None:
        self.text = text


class Progress:
    """Prints `name ... 1.2 s  note`; `quiet` keeps the times (for tests) and prints nothing."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stdout
        self._quiet = quiet
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Note]:
        """Time the block; a failing block ends its line with "failed" and raises on."""
        started = time.perf_counter()
        note = Note()
        self._write(f"  {name} ".ljust(34, ".") + " ")
        try:
            yield note
        except BaseException:
            self._write("failed\n")
            raise
        took = self.seconds[name] = time.perf_counter() - started
        self._write(f"{took:5.1f} s  {note.text}".rstrip() + "\n")

    def say(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if not self._quiet:
            self._out.write(text)
            self._out.flush()
