"""What callers may do with clusters and their resources."""

from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import Field
from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.errors import Invalid, NotFound, Problem, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock, iso
from gpubroker.management.inventory.items import CLUSTERS, RESOURCES, ClusterItem, ResourceItem
from gpubroker.management.replays import replayed
from gpubroker.management.views import Done
from gpubroker.management.wire import Id, Name, Quantity, WireRequest, WireView
from gpubroker.resilience.outbound import Guard, Refused
from gpubroker.storage import idempotency as stored
from gpubroker.storage.transaction import StaleVersion, transaction

SYNC_STORED = Done(message="Resource sync stored")
REGISTERED = Done(message="Cluster registered successfully")
REMOVED = Done(message="Cluster removed successfully")

_TRIES = 5
_CLOCKS_DIFFER = timedelta(minutes=5)


class ClusterNotFound(NotFound):
    code = "cluster-not-found"
    title = "There is no such cluster"


class ResourceSyncRequest(WireRequest):
    """The whole state of a cluster; it replaces what was told before."""

    cluster_id: Id
    cpu: Quantity
    gpu: Quantity
    memory: Quantity


class ResourcesView(WireView):
    cluster_id: str
    cpu: float
    gpu: float
    memory: float
    received_at: str


class ResourcesPage(WireView):
    """By cluster id."""

    resources: list[ResourcesView]
    next_cursor: str | None = None


class ClusterRequest(WireRequest):
    id: Id
    name: Name
    endpoint: str = Field(min_length=1, max_length=2048, description="https://...; never called by its registration")
    region: Name


class ClusterView(WireView):
    id: str
    name: str
    status: str = Field(description="active, from its registration on")
    endpoint: str
    region: str
    created_at: str
    updated_at: str


class ClusterPage(WireView):
    """By id."""

    clusters: list[ClusterView]
    next_cursor: str | None = Field(None, exclude_if=lambda cursor: cursor is None)


class InventoryDesk:
    def __init__(self, *, guard: Guard, clock: Clock) -> None:
        self._guard, self._clock = guard, clock

    def sync(self, wanted: ResourceSyncRequest, idempotency: Idempotency | None) -> Done:
        """The last that was received wins: a request that was overtaken on its way to the store changes nothing.

        A moment further ahead than clocks differ was a broken clock's, and is overwritten.
        """
        now = self._clock()
        item = ResourceItem(
            pk=RESOURCES,
            sk=wanted.cluster_id,
            cpu=_text(wanted.cpu),
            gpu=_text(wanted.gpu),
            memory=_text(wanted.memory),
            received_at=iso(now),
        )
        newer = (
            ResourceItem.pk.does_not_exist()
            | (ResourceItem.received_at <= iso(now))
            | (ResourceItem.received_at > iso(now + _CLOCKS_DIFFER))
        )
        try:
            with transaction(ResourceItem) as tx:
                stored.remember(tx, ResourceItem, idempotency, SYNC_STORED.model_dump())
                tx.put(item, condition=newer, lost=_Overtaken)
        except _Overtaken:
            return SYNC_STORED
        except Problem as problem:
            return Done.model_validate(replayed(ResourceItem, idempotency, problem))
        return SYNC_STORED

    def resources(self, limit: int, after: str | None) -> tuple[ResourcesPage, str | None]:
        further = ResourceItem.sk > after if after else None
        found = list(ResourceItem.query(RESOURCES, further, limit=limit + 1, page_size=limit + 1, consistent_read=True))
        views = [
            ResourcesView(
                cluster_id=item.sk,
                cpu=float(item.cpu),
                gpu=float(item.gpu),
                memory=float(item.memory),
                received_at=item.received_at,
            )
            for item in found[:limit]
        ]
        return ResourcesPage(resources=views), found[limit - 1].sk if len(found) > limit else None

    def register(self, wanted: ClusterRequest, idempotency: Idempotency | None) -> Done:
        """Register a cluster, or change it: its `created_at` stays. Raises Invalid on `endpoint`."""
        try:
            self._require_callable(wanted.endpoint)
            for _ in range(_TRIES):
                try:
                    self._put(wanted, self._clock(), idempotency)
                    return REGISTERED
                except StaleVersion:
                    continue
            raise Unavailable(f"The cluster {wanted.id} is changing too fast; try again.", retry_after=1)
        except Problem as problem:
            return Done.model_validate(replayed(ClusterItem, idempotency, problem))

    def clusters(self, limit: int, after: str | None) -> tuple[ClusterPage, str | None]:
        further = ClusterItem.sk > after if after else None
        found = list(ClusterItem.query(CLUSTERS, further, limit=limit + 1, page_size=limit + 1, consistent_read=True))
        views = [
            ClusterView(
                id=item.sk,
                name=item.name,
                status=item.status,
                endpoint=item.endpoint,
                region=item.region,
                created_at=item.created_at,
                updated_at=item.updated_at,
            )
            for item in found[:limit]
        ]
        return ClusterPage(clusters=views), found[limit - 1].sk if len(found) > limit else None

    def remove(self, cluster_id: str) -> Done:
        """Raises ClusterNotFound."""
        gone = ClusterNotFound(f"There is no cluster {cluster_id}.")
        with transaction(ClusterItem) as tx:
            key = ClusterItem(pk=CLUSTERS, sk=cluster_id)
            tx.delete(key, condition=ClusterItem.pk.exists(), lost=gone)
        return REMOVED

    def _put(self, wanted: ClusterRequest, now: datetime, idempotency: Idempotency | None) -> None:
        before = _cluster(wanted.id)
        item = ClusterItem(
            pk=CLUSTERS,
            sk=wanted.id,
            version=int(before.version or 0) + 1 if before else 1,
            name=wanted.name,
            status="active",
            endpoint=wanted.endpoint,
            region=wanted.region,
            created_at=before.created_at if before else iso(now),
            updated_at=iso(now),
        )
        same = ClusterItem.version == before.version if before else ClusterItem.pk.does_not_exist()
        with transaction(ClusterItem) as tx:
            stored.remember(tx, ClusterItem, idempotency, REGISTERED.model_dump())
            tx.put(item, condition=same)

    def _require_callable(self, endpoint: str) -> None:
        """The endpoint as it is written. What its name leads to is looked at by who calls it, each time anew."""
        try:
            place = self._guard.place(endpoint)
            if place.literal:
                self._guard.address(place)
        except Refused as refused:
            raise Invalid.of("endpoint", str(refused)) from None


class _Overtaken(Exception):
    """A later message is stored already."""


def _cluster(cluster_id: str) -> ClusterItem | None:
    try:
        return ClusterItem.get(CLUSTERS, cluster_id, consistent_read=True)
    except DoesNotExist:
        return None


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
