"""What thresholds need of delivery (usage/thresholds/ports.py), and their use cases."""

from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpubroker.kernel.caller import Caller
    from gpubroker.usage.thresholds.checking import Checking
    from gpubroker.usage.thresholds.use_cases import ThresholdDesk


@cache
def threshold_desk() -> "ThresholdDesk":
    """What administrators may do with thresholds. Only what names an address of its own needs more than DynamoDB."""
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.thresholds.repository import Thresholds
    from gpubroker.usage.thresholds.use_cases import ThresholdDesk

    return ThresholdDesk(thresholds=Thresholds(), callbacks=_Callbacks(), clock=utc_now)


@cache
def threshold_checking() -> "Checking":
    from gpubroker.composition.usage import usage_history
    from gpubroker.kernel.time import utc_now
    from gpubroker.usage.thresholds.checking import Checking
    from gpubroker.usage.thresholds.later import LaterQueue
    from gpubroker.usage.thresholds.states import States
    from gpubroker.usage.thresholds.totals import CountedTotals
    from gpubroker.usage.thresholds.watching import Watching

    return Checking(
        watching=Watching(),
        states=States(),
        totals=CountedTotals(usage_history(), utc_now),
        later=LaterQueue(),
        clock=utc_now,
    )


class _Callbacks:
    """usage.thresholds.ports.Callbacks by webhooks: the address of a threshold is a webhook that belongs to the
    threshold instead of a tenant. So it is signed, tried again, and stopped as every webhook is."""

    def keep(self, threshold_id: str, callback_id: str | None, url: str) -> tuple[str, str | None]:
        from gpubroker.composition.webhooks import webhook_secret_desk
        from gpubroker.delivery.webhooks.requests import WebhookChange, WebhookRequest
        from gpubroker.delivery.webhooks.webhook_store import WebhookNotFound

        desk = webhook_secret_desk()
        with _on_callback_url():
            if callback_id is not None:
                try:
                    desk.change(_as(threshold_id), callback_id, WebhookChange(url=url, enabled=True))
                    return callback_id, None
                except WebhookNotFound:
                    pass  # who forgot it died before the threshold knew: a new one takes its place
            self.forget(threshold_id)
            wanted = WebhookRequest(url=url, events=["usage_threshold"], description=f"of threshold {threshold_id}")
            made = desk.create(_as(threshold_id), wanted, None)
        return made.webhook_id, made.secret

    def forget(self, threshold_id: str) -> None:
        from gpubroker.composition.webhooks import webhook_desk
        from gpubroker.delivery.webhooks.webhook_store import WebhookNotFound

        desk, whose = webhook_desk(), _as(threshold_id)
        for hook in desk.page(whose).webhooks:
            with suppress(WebhookNotFound):  # somebody else forgets it at this moment
                desk.delete(whose, hook.webhook_id)


@contextmanager
def _on_callback_url() -> "Iterator[None]":
    """What is wrong with the address is told of the field that named it."""
    from gpubroker.kernel.errors import Invalid

    try:
        yield
    except Invalid as error:
        raise Invalid.of("callback_url", error.fields[0].message if error.fields else error.detail) from None


def _as(threshold_id: str) -> "Caller":
    from gpubroker.kernel.caller import Caller, Plan, Role

    return Caller(Role.SERVICE, subject="usage", tenant=threshold_id, plan=Plan.ENTERPRISE)
