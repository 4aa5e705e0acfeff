"""The versions of the fees. A version is never changed; what is in force is the latest that has begun."""

from collections.abc import Callable
from datetime import datetime

from pynamodb.exceptions import DoesNotExist

from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import iso
from gpubroker.management import facts
from gpubroker.management.fees import FIRST, FeeConfig
from gpubroker.management.items import FEES, FeeItem, FeeVersionItem
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import StaleVersion, transaction


class FeeBook:
    def in_force(self, now: datetime) -> FeeConfig:
        """The configuration that holds at a moment: one read. Of two that begin at once the newer version."""
        # '~' sorts after the '#' that precedes the version
        until = FeeItem.sk.between("CONFIG#", f"CONFIG#{iso(now)}~")
        found = FeeItem.query(FEES, until, scan_index_forward=False, limit=1, page_size=1, consistent_read=True)
        return next((item.value() for item in found), FIRST)

    def versions(self, limit: int, *, before: str | None = None) -> tuple[list[FeeConfig], str | None]:
        """The versions by when they begin, the last one first, scheduled ones included; and where to go on."""
        upper = FeeItem.sk < before if before else FeeItem.sk < "CONFIG#~"
        found = FeeItem.query(
            FEES, upper, scan_index_forward=False, limit=limit + 1, page_size=limit + 1, consistent_read=True
        )
        items = [item for item in found if item.sk.startswith("CONFIG#")]
        onward = items[limit - 1].sk if len(items) > limit else None
        return [item.value() for item in items[:limit]], onward

    def add(
        self,
        make: Callable[[int], FeeConfig],
        *,
        now: datetime,
        idempotency: Idempotency | None,
        answer: Callable[[FeeConfig], dict[str, object]],
    ) -> FeeConfig:
        """Write the next version, which `make` makes of its number. Raises StaleVersion, AlreadyDone."""
        before = self.newest_version()
        config = make(before + 1)
        number = FeeVersionItem.here(config.version)
        same = FeeVersionItem.version == before if before else FeeVersionItem.pk.does_not_exist()
        with transaction(FeeItem) as tx:
            stored.remember(tx, FeeItem, idempotency, answer(config) if idempotency else {})
            tx.put(number, condition=same, lost=StaleVersion)
            tx.put(FeeItem.of(config), condition=FeeItem.pk.does_not_exist())
            tx.put(outbox_item(FeeItem, facts.fees_changed(config, now), source="management"))
        return config

    def newest_version(self) -> int:
        """The number of the newest version; 0 while nobody has changed anything."""
        key = FeeVersionItem.here()
        try:
            return int(FeeVersionItem.get(key.pk, key.sk, consistent_read=True).version or 0)
        except DoesNotExist:
            return 0
