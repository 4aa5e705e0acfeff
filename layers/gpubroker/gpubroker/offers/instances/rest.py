"""What the providers share at which an instance is one resource of a plain REST API, found by the name it was given."""

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from gpubroker.kernel.ids import stable_id
from gpubroker.offers import errors
from gpubroker.offers.instances.exchange import Answer, Exchange, reading, same_key
from gpubroker.offers.instances.port import Instance, InstanceStatus

MOST_PAGES = 100


def possible(instance_id: str) -> bool:
    """Whether it can be an id at a provider of numbers, UUIDs or words; anything else never becomes part of a path."""
    return instance_id.isascii() and instance_id.replace("-", "").replace("_", "").isalnum()


class RestInstances:
    """`get`, `end`, `find` and `list` of `port.InstanceApi`. Each provider's own class says where its instances are
    (`path`), walks their pages (`_rows`), finds the row of one answer (`_row`), reads it (`_instance`) and knows what a
    refusal means (`_refused`).
    """

    slug: str
    path: str

    def __init__(self, exchange: Exchange) -> None:
        self._http = exchange

    def find(self, label: str) -> builtins.list[Instance]:
        return [instance for instance in self.list() if instance.label == label]

    def get(self, instance_id: str) -> Instance | None:
        if not possible(instance_id):
            return None
        answer = self._http.send("GET", f"{self.path}/{instance_id}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise self._refused(answer)
        with reading(self.slug):
            return self._instance(self._row(answer.json()))

    def end(self, instance_id: str) -> None:
        if not possible(instance_id):
            return
        answer = self._http.send("DELETE", f"{self.path}/{instance_id}")
        if not answer.ok and answer.status != 404:
            raise self._refused(answer)

    def list(self) -> builtins.list[Instance]:
        with reading(self.slug):
            found = [self._instance(row) for row in self._rows()]
        return [instance for instance in found if instance.status is not InstanceStatus.ENDED]

    def _made(self, body: Mapping[str, Any]) -> Instance:
        """Ask for the creation; the instance as the answer tells of it."""
        answer = self._http.send("POST", self.path, body=body)
        if not answer.ok:
            raise self._refused(answer)
        with reading(self.slug):
            return self._instance(self._row(answer.json()))

    def _pages(
        self, path: str, name: str, following: Callable[[Any, int], Mapping[str, str] | None], **asked: str
    ) -> Iterator[Any]:
        """The rows of all pages; `following(answer, rows read so far)` says what to ask next, None at the end."""
        params: Mapping[str, str] = {}
        read = 0
        for _ in range(MOST_PAGES):
            told = self._http.read("GET", path, params={**asked, **params})
            rows = told[name]
            if not isinstance(rows, builtins.list):
                raise errors.UnknownAnswer(self.slug, f"{name} is no list")
            yield from rows
            read += len(rows)
            more = following(told, read)
            if more is None or not rows:
                return
            params = more
        raise errors.UnknownAnswer(self.slug, f"more than {MOST_PAGES} pages")

    def _rows(self) -> Iterable[Any]:
        raise NotImplementedError

    def _row(self, told: Any) -> Any:
        raise NotImplementedError

    def _instance(self, row: Any) -> Instance:
        raise NotImplementedError

    def _refused(self, answer: Answer) -> errors.ProviderError:
        raise NotImplementedError


def known_key(
    rows: Iterable[Mapping[str, Any]], public_key: str, *, text: str = "public_key"
) -> Mapping[str, Any] | None:
    """The registered key that is this one by its content, under whatever name it stands there."""
    return next((row for row in rows if same_key(str(row.get(text) or ""), public_key)), None)


def key_name(public_key: str) -> str:
    """A name made of the key, so that registering it twice is one key where names are unique."""
    return f"gpubroker-{stable_id(*public_key.split()[:2])}"


def refused_by_words(
    answer: Answer, *, no_capacity: Iterable[str] = (), quota: Iterable[str] = ()
) -> errors.ProviderError:
    """The error of a refusal whose status does not tell a machine that is gone from a limit of the account.

    401, 403, 429 and 5xx speak for themselves. The phrases are lower case.
    """
    words = answer.words()
    if answer.status not in (401, 403, 429) and answer.status < 500:
        if any(phrase in words for phrase in no_capacity):
            return errors.NoCapacity(answer.provider, "no such machine is free")
        if answer.status == 402 or any(phrase in words for phrase in quota):
            return errors.QuotaExceeded(answer.provider, "the account's balance or limit does not allow it")
    return answer.refusal()
