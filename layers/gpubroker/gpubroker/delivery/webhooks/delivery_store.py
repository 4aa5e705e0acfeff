"""Where deliveries are kept: a delivery, its place in its subject's queue, its endpoint's standing and its facts are
one write, under the delivery's version."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.expressions.update import Action

from gpubroker.delivery.webhooks.delivery import CLAIM, Delivery
from gpubroker.delivery.webhooks.endpoint import Endpoint, milliseconds
from gpubroker.delivery.webhooks.items import DeliveryItem, EndpointItem, LaneItem, as_text, delivery_pk, lane_pk
from gpubroker.kernel.errors import Conflict, NotFound
from gpubroker.kernel.events import Event
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.refusals import lost_condition
from gpubroker.storage.transaction import AlreadyDone, Writes, transaction


class DeliveryNotFound(NotFound):
    code = "webhook-delivery-not-found"
    title = "There is no such delivery, or not any more"


class SlotTaken(Conflict):
    """As much is under way to this endpoint as may be."""

    code = "endpoint-busy"


@dataclass(frozen=True, slots=True)
class Stored:
    delivery: Delivery
    body: str


class Deliveries:
    def add(self, delivery: Delivery, body: str) -> bool:
        """Write a delivery that may have been written before; False when it was."""
        item, absent = DeliveryItem.of(delivery, body), DeliveryItem.pk.does_not_exist()
        if delivery.lane is None or not delivery.status.open:
            try:
                item.save(condition=absent)
            except PutError as error:
                if not lost_condition(error):
                    raise
                return False
            return True
        with suppress(AlreadyDone):
            with transaction(DeliveryItem) as tx:
                tx.put(item, condition=absent, lost=AlreadyDone)
                tx.put(LaneItem.of(delivery))
            return True
        return False

    def create(
        self, delivery: Delivery, body: str, *facts: Event, idempotency: Idempotency | None, answer: dict[str, Any]
    ) -> None:
        """Write a new delivery with what it makes known. Raises AlreadyDone."""
        with transaction(DeliveryItem) as tx:
            stored.remember(tx, DeliveryItem, idempotency, answer)
            tx.put(DeliveryItem.of(delivery, body), condition=DeliveryItem.pk.does_not_exist())
            _tell(tx, *facts)

    def find(self, tenant: str, webhook_id: str, delivery_id: str) -> Stored | None:
        """One strongly consistent read."""
        try:
            item = DeliveryItem.get(delivery_pk(tenant, webhook_id), delivery_id, consistent_read=True)
        except DoesNotExist:
            return None
        return Stored(item.value(), item.body)

    def of(self, tenant: str, webhook_id: str, delivery_id: str) -> Stored:
        """Raises DeliveryNotFound, for another tenant's too."""
        found = self.find(tenant, webhook_id, delivery_id)
        if found is None:
            raise DeliveryNotFound(f"There is no delivery {delivery_id}.")
        return found

    def newest_of(self, tenant: str, webhook_id: str, limit: int, *, before: str | None = None) -> list[Delivery]:
        """The newest first, from before the delivery id `before` on."""
        found = DeliveryItem.query(
            delivery_pk(tenant, webhook_id),
            DeliveryItem.sk < before if before else None,
            scan_index_forward=False,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [item.value() for item in found]

    def since(self, tenant: str, webhook_id: str, after: str, *, limit: int) -> list[Delivery]:
        """The oldest first, from behind `after` (a delivery id, or its beginning) on."""
        found = DeliveryItem.query(
            delivery_pk(tenant, webhook_id),
            DeliveryItem.sk > after,
            limit=limit,
            page_size=limit,
            consistent_read=True,
        )
        return [item.value() for item in found]

    def endpoint(self, tenant: str, webhook_id: str) -> Endpoint:
        key = EndpointItem.key(tenant, webhook_id)
        try:
            return EndpointItem.get(key.pk, key.sk, consistent_read=True).value()
        except DoesNotExist:
            return Endpoint()

    def first_in_lane(self, delivery: Delivery) -> str | None:
        """The delivery that is the next of its subject; None when none is open."""
        found = LaneItem.query(lane_pk(delivery), limit=1, page_size=1, consistent_read=True)
        return next((str(item.delivery_id) for item in found), None)

    def leave_lane(self, delivery: Delivery, other_id: str) -> None:
        """Take another one, which is over or gone, out of the queue of this delivery's subject."""
        for item in LaneItem.query(lane_pk(delivery), limit=1, page_size=1, consistent_read=True):
            if item.delivery_id == other_id:
                item.delete()

    def save(
        self,
        before: Delivery,
        after: Delivery,
        *facts: Event,
        idempotency: Idempotency | None = None,
        answer: dict[str, Any] | None = None,
    ) -> Delivery:
        """Raises StaleVersion when another writer was first, AlreadyDone."""
        with transaction(DeliveryItem) as tx:
            stored.remember(tx, DeliveryItem, idempotency, answer or {})
            after = _put(tx, before, after)
            _tell(tx, *facts)
        return after

    def claim(self, before: Delivery, after: Delivery, slot: int, now: datetime) -> Delivery:
        """Begin a try, in a slot of its endpoint. Raises SlotTaken, StaleVersion."""
        taken = EndpointItem.slot(slot)
        with transaction(DeliveryItem) as tx:
            after = _put(tx, before, after)
            tx.update(
                EndpointItem.key(before.tenant, before.webhook_id),
                actions=[taken.set(milliseconds(now + CLAIM))],
                condition=taken.does_not_exist() | (taken < milliseconds(now)),
                lost=SlotTaken,
            )
        return after

    def conclude(
        self, before: Delivery, after: Delivery, *facts: Event, endpoint: Endpoint, slot: int, well: bool, now: datetime
    ) -> Delivery:
        """End a try: what came of it, the slot free again, and how the endpoint is doing now.

        endpoint: as it was read before the try; well: whether it did what was asked. Raises StaleVersion.
        """
        item = EndpointItem
        actions: list[Action] = [item.slot(slot).set(0)]
        if well:
            actions.append(item.failures.set(0))
            actions += [
                attribute.remove()
                for attribute in (item.failing_since, item.last_failure, item.day_first, item.resting_until)
            ]
        else:
            actions += [
                item.failures.add(1),
                item.failing_since.set(item.failing_since | iso(now)),
                item.last_failure.set(iso(now)),
                item.day_first.set(iso(endpoint.first_of_the_day(now))),
            ]
            if (rests := endpoint.rests(now)) is not None:
                actions.append(item.resting_until.set(iso(rests)))
        with transaction(DeliveryItem) as tx:
            after = _put(tx, before, after)
            tx.update(EndpointItem.key(before.tenant, before.webhook_id), actions=actions)
            _tell(tx, *facts)
        return after

    def due(self, now: datetime, *, limit: int = 200) -> Iterator[tuple[str, str, str]]:
        """(tenant, webhook id, delivery id) of what must be looked at by now, the most urgent first."""
        for pk, delivery_id in DeliveryItem.due_by(now, limit=limit):
            owner, _, webhook_id = pk.rpartition("#")
            yield owner.removesuffix("#DELIVERY"), webhook_id, delivery_id


def _put(tx: Writes, before: Delivery, after: Delivery) -> Delivery:
    after = replace(after, version=before.version + 1)
    item = DeliveryItem
    actions: list[Action] = [item.delivery.set(as_text(after)), item.version.set(after.version)]
    if after.due_at is not None:
        pk, sk = item.due_key(after.delivery_id, after.due_at)
        actions += [item.gsi1pk.set(pk), item.gsi1sk.set(sk)]
    else:
        actions += [item.gsi1pk.remove(), item.gsi1sk.remove()]
    tx.update(item.key(after), actions=actions, condition=item.version == before.version)
    if after.lane is not None and before.status.open != after.status.open:
        if after.status.open:
            tx.put(LaneItem.of(after))
        else:
            tx.delete(LaneItem.of(after))
    return after


def _tell(tx: Writes, *facts: Event) -> None:
    for fact in facts:
        tx.put(outbox_item(DeliveryItem, fact, source="delivery"))
