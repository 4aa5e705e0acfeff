"""Where payments and payment methods are kept."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from pynamodb.exceptions import DoesNotExist

from gpubroker.billing.payments import facts
from gpubroker.billing.payments.items import (
    DEFAULT,
    MethodItem,
    PaymentItem,
    PaymentOwnerItem,
    methods_pk,
    payments_pk,
)
from gpubroker.billing.payments.method import PaymentMethod
from gpubroker.billing.payments.payment import Payment
from gpubroker.billing.payments.ports import Consequence
from gpubroker.kernel.errors import NotFound, Unavailable
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.transaction import PATIENT, StaleVersion, Writes, transaction

_TRIES = 10
_BASE_SECONDS = 0.01
_LONGEST_SECONDS = 0.5


class PaymentNotFound(NotFound):
    code = "payment-not-found"
    title = "There is no such payment"


class PaymentMethodNotFound(NotFound):
    code = "payment-method-not-found"
    title = "There is no such payment method"


class AlreadyMade(Exception):
    """This very payment was made before."""


class Payments:
    """consequences: by purpose, what the end of a payment changes elsewhere, in the same transaction."""

    def __init__(
        self,
        *,
        consequences: Mapping[str, Consequence] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._consequences, self._sleep, self._jitter = consequences or {}, sleep, jitter

    @staticmethod
    def add(tx: Writes, payment: Payment) -> None:
        """Make a payment in somebody's transaction; losing means AlreadyMade."""
        tx.put(PaymentItem.of(payment), condition=PaymentItem.pk.does_not_exist(), lost=AlreadyMade)
        tx.put(PaymentOwnerItem.of(payment), condition=PaymentOwnerItem.pk.does_not_exist(), lost=AlreadyMade)

    def make(self, payment: Payment) -> Payment:
        """The payment of this id, made now or before."""
        try:
            with transaction(PaymentItem) as tx:
                self.add(tx, payment)
        except AlreadyMade:
            return self.of(payment.account_id, payment.payment_id)
        return payment

    def of(self, account_id: str, payment_id: str) -> Payment:
        """Strongly consistent. Raises PaymentNotFound, for another account's too."""
        try:
            return PaymentItem.get(payments_pk(account_id), payment_id, consistent_read=True).value()
        except DoesNotExist:
            raise PaymentNotFound(f"There is no payment {payment_id}.") from None

    def account_of(self, payment_id: str) -> str:
        """Whose payment it is. Raises PaymentNotFound."""
        try:
            return str(PaymentOwnerItem.get(f"PAYMENT#{payment_id}", "OWNER", consistent_read=True).account)
        except DoesNotExist:
            raise PaymentNotFound(f"There is no payment {payment_id}.") from None

    def page(self, account_id: str, limit: int, after: str | None) -> list[Payment]:
        """By payment id, from after one on."""
        condition = PaymentItem.sk > after if after else None
        found = PaymentItem.query(
            payments_pk(account_id), condition, limit=limit, page_size=limit, consistent_read=True
        )
        return [item.value() for item in found]

    def change(
        self,
        account_id: str,
        payment_id: str,
        rule: Callable[[Payment], Payment],
        also: Callable[[Writes, Payment], None] | None = None,
    ) -> Payment:
        """Read, apply a rule, write; again when another writer was first. A new state is told, and an end has its
        consequence, in the transaction that writes it: so there is one of each. also: adds to that transaction."""
        for attempt in range(_TRIES):
            before = self.of(account_id, payment_id)
            after = rule(before)
            if after is before:
                return before
            try:
                with transaction(PaymentItem, backoff=PATIENT) as tx:
                    tx.put(PaymentItem.of(after), condition=PaymentItem.version == before.version, lost=StaleVersion)
                    if after.state is not before.state:
                        tx.put(outbox_item(PaymentItem, facts.moved(after, after.changed_at), source="billing"))
                        consequence = self._consequences.get(after.purpose) if after.over else None
                        if consequence is not None:
                            consequence.ended(tx, after)
                    if also is not None:
                        also(tx, after)
                return after
            except StaleVersion:
                self._sleep(self._jitter() * min(_LONGEST_SECONDS, _BASE_SECONDS * 2**attempt))
        raise Unavailable(f"{payment_id} is changing too fast; try again.", retry_after=1)

    def due(self, now: datetime, *, limit: int = 100) -> Iterator[tuple[str, str]]:
        """(account, payment id) of what the processor shall be asked about."""
        for pk, payment_id in PaymentItem.due_by(now, limit=limit):
            yield pk.rpartition("#")[0], payment_id


class Methods:
    def all_of(self, account_id: str) -> tuple[list[PaymentMethod], str | None]:
        """An account's payment methods, oldest first, and the id of the default one."""
        methods: list[PaymentMethod] = []
        default = None
        for item in MethodItem.query(methods_pk(account_id), consistent_read=True):
            if item.sk == DEFAULT:
                default = str(item.default)
            else:
                methods.append(item.value())
        return sorted(methods, key=lambda one: (one.created_at, one.method_id)), default

    def of(self, account_id: str, method_id: str) -> PaymentMethod:
        """Raises PaymentMethodNotFound, for another account's too."""
        if method_id != DEFAULT:
            try:
                return MethodItem.get(methods_pk(account_id), method_id, consistent_read=True).value()
            except DoesNotExist:
                pass
        raise PaymentMethodNotFound(f"There is no payment method {method_id}.")

    def save(self, method: PaymentMethod, *, default: bool) -> None:
        """Keep a method, or keep it again. The first of an account becomes its default."""
        chosen = MethodItem.default_of(method.account_id, method.method_id)
        with transaction(MethodItem) as tx:
            tx.put(MethodItem.of(method))
            if default:
                tx.put(chosen)

    def remove(self, account_id: str, method_id: str) -> None:
        """Forget a method; the newest of the others becomes the default in its place. Raises PaymentMethodNotFound."""
        methods, default = self.all_of(account_id)
        gone = PaymentMethodNotFound(f"There is no payment method {method_id}.")
        if method_id not in [one.method_id for one in methods]:
            raise gone
        with transaction(MethodItem) as tx:
            tx.delete(MethodItem(pk=methods_pk(account_id), sk=method_id), condition=MethodItem.pk.exists(), lost=gone)
            if default == method_id:
                others = [one.method_id for one in methods if one.method_id != method_id]
                still = MethodItem.default == method_id
                if others:
                    tx.put(MethodItem.default_of(account_id, others[-1]), condition=still)
                else:
                    tx.delete(MethodItem.default_of(account_id), condition=still)
