"""Chromium without a window, where it is installed, spoken to by its DevTools protocol."""

import asyncio
import itertools
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

PATIENCE = 60.0


class Page:
    """The one page that is open."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def value(self, expression: str) -> str:
        """What a JavaScript expression comes to, as a text; empty when it cannot be told (the page is loading)."""
        number = next(self._ids)
        parameters = {"expression": f"String({expression})", "returnByValue": True}
        await self._socket.send_json({"id": number, "method": "Runtime.evaluate", "params": parameters})
        while (answer := await self._socket.receive_json(timeout=PATIENCE)).get("id") != number:
            pass
        told = answer.get("result", {})
        return "" if "exceptionDetails" in told else str(told.get("result", {}).get("value", ""))

    async def shows(self, expression: str) -> str:
        """The same, once it is not empty."""
        deadline = time.monotonic() + PATIENCE
        while not (seen := await self.value(expression)):
            assert time.monotonic() < deadline, f"{expression} stayed empty"
            await asyncio.sleep(0.1)
        return seen


class Browser:
    def __init__(self, port: int) -> None:
        self._port = port

    async def play(self, scenario: Callable[[Page], Awaitable[None]]) -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self._port}") as session:
            async with session.get("/json") as answer:
                pages = [told for told in json.loads(await answer.text()) if told["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"]) as socket:
                await scenario(Page(socket))


@contextmanager
def chromium(folder: Path, url: str) -> Iterator[Browser]:
    """A browser that opens `url`; its profile is in `folder`."""
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        announcement = folder / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (announcement.exists() and announcement.read_text().strip()):
            assert time.monotonic() < deadline, "chromium did not start"
            time.sleep(0.05)
        yield Browser(int(announcement.read_text().split()[0]))
    finally:
        process.terminate()
        process.wait(20)
