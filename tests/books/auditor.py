"""A model beside the ledger, which knows what each answer may be, with many writers at once.

What can be held or spent of an account is a number that the operations under way may or may not have changed yet: the
auditor knows the least and the most that it can have been while an operation ran. An operation that was let through
needs the most to have been enough; one that was refused, the least not to be. With one writer the two are equal, so
that every answer is the only right one. (After TigerBeetle's auditor, src/state_machine/auditor.zig.)
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Key = tuple[str, str]
"""("room", account) or ("budget", key)."""


@dataclass(eq=False)
class Step:
    """One operation under way: what it changes if it is let through, and what it was able to see."""

    effects: dict[Key, int]
    watched: set[Key]
    low: dict[Key, int] = field(default_factory=dict)
    high: dict[Key, int] = field(default_factory=dict)
    states: dict[str, set[str]] = field(default_factory=dict)


class Auditor:
    def __init__(self) -> None:
        self.certain: dict[Key, int] = {}
        self.states: dict[str, str] = {}
        self._under_way: list[Step] = []
        self._changing: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def begin(self, effects: Mapping[Key, int], watched: Iterable[Key] = (), accounts: Iterable[str] = ()) -> Step:
        step = Step({key: change for key, change in effects.items() if change}, set(watched) | set(effects))
        with self._lock:
            step.states = {one: {self.states.get(one, "open")} for one in accounts}
            self._under_way.append(step)
            self._look()
        return step

    def end(self, step: Step, *, done: bool) -> None:
        """The answer came: the step took effect, or it did not."""
        with self._lock:
            self._under_way.remove(step)
            if done:
                for key, change in step.effects.items():
                    self.certain[key] = self.certain.get(key, 0) + change
            self._look()

    def begin_state(self, account_id: str, state: str) -> None:
        with self._lock:
            self._changing.append((account_id, state))
            self._look()

    def end_state(self, account_id: str, state: str) -> None:
        with self._lock:
            self._changing.remove((account_id, state))
            self.states[account_id] = state
            self._look()

    def _look(self) -> None:
        """Everything under way sees what may be the case now."""
        touched: dict[Key, list[Step]] = {}
        for step in self._under_way:
            for key in step.effects:
                touched.setdefault(key, []).append(step)
        for step in self._under_way:
            for key in step.watched:
                others = [one.effects[key] for one in touched.get(key, ()) if one is not step]
                now = self.certain.get(key, 0)
                low, high = now + sum(min(0, one) for one in others), now + sum(max(0, one) for one in others)
                step.low[key] = min(step.low.get(key, low), low)
                step.high[key] = max(step.high.get(key, high), high)
            for account_id, seen in step.states.items():
                seen.add(self.states.get(account_id, "open"))
                seen.update(state for changing, state in self._changing if changing == account_id)
