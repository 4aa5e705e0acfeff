"""A bounded pool for many calls side by side in which those that hang do not keep the others waiting.

A place is for the busy beginning of a call (connecting, a request, most answers). A call that still waits after
`give_on_s` waits for the network only, so its place goes to the next one: ten that hang cost a bounded pool ten places
for that long and no longer, and all are begun within `give_on_s * (number / places)`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """`at_once` places, given in the order in which they were asked for. Belongs to one run of an event loop."""

    def __init__(self, at_once: int, give_on_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._give_on_s = give_on_s

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Waits for a place; the block then runs to its end, with the place for at most `give_on_s`."""
        await self._free.acquire()
        given = False

        def give_on() -> None:
            nonlocal given
            if not given:
                given = True
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._give_on_s, give_on)
        try:
            yield
        finally:
            timer.cancel()
            give_on()
