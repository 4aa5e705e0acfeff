"""What callers may do with payment methods and payments."""

from gpubroker.billing.accounts import AccountNotFound
from gpubroker.billing.facts import SOURCE, intervention
from gpubroker.billing.payments.items import PaymentItem
from gpubroker.billing.payments.method import MOST, PaymentMethod, method_id_of
from gpubroker.billing.payments.payment import Payment, PaymentNotRefundable, State, refund
from gpubroker.billing.payments.ports import Accounts, Funds, PaymentProcessor, UnknownToken
from gpubroker.billing.payments.requests import MethodRequest, RefundRequest
from gpubroker.billing.payments.store import Methods, PaymentMethodNotFound, PaymentNotFound, Payments
from gpubroker.billing.payments.views import MethodList, MethodView, PaymentPage, PaymentView
from gpubroker.kernel.caller import Caller
from gpubroker.kernel.errors import Conflict, Invalid
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.kernel.time import Clock
from gpubroker.storage import idempotency as stored
from gpubroker.storage.outbox import outbox_item
from gpubroker.storage.throttle import Limit, Throttle, count_of, network_of
from gpubroker.storage.transaction import AlreadyDone, Writes

BY_ACCOUNT = Limit("payment-method-account", 20, 3600)
BY_ADDRESS = Limit("payment-method-address", 60, 3600)
"""Cards added: few, since trying out stolen ones is what such an endpoint is found for."""


class TooManyMethods(Conflict):
    code = "too-many-payment-methods"
    title = "This account has as many payment methods as it may have"


def account_for(caller: Caller, wanted: str | None, accounts: Accounts) -> str:
    """The account that is meant: one's own, or another that this caller may see. Raises AccountNotFound."""
    account_id = wanted or caller.tenant
    if not accounts.may_see(caller, account_id):
        raise AccountNotFound(f"There is no account {account_id}.")
    return account_id


class MethodDesk:
    """Adding a method asks the processor: outside the VPC, so it is counted in the table (no Redis there)."""

    def __init__(
        self,
        *,
        methods: Methods,
        accounts: Accounts,
        clock: Clock,
        processor: PaymentProcessor | None = None,
    ) -> None:
        self._methods, self._accounts, self._clock, self._processor = methods, accounts, clock, processor

    def add(self, caller: Caller, wanted: MethodRequest) -> tuple[MethodView, bool]:
        """Keep a card; and whether it was not kept yet. The same token twice is one method.

        Raises Invalid for a token that the processor does not know, ProcessorUnavailable, TooManyMethods.
        """
        if self._processor is None:
            raise RuntimeError("payment methods are added where the processor can be asked")
        account_id = account_for(caller, wanted.account_id, self._accounts)
        now = self._clock()
        at = now.timestamp()
        Throttle("BILLING_TABLE").count(
            count_of(BY_ACCOUNT, account_id, at), count_of(BY_ADDRESS, network_of(caller.address), at), now=at
        )
        methods, default = self._methods.all_of(account_id)
        method_id = method_id_of(account_id, wanted.token)
        known = next((one for one in methods if one.method_id == method_id), None)
        if known is None and len(methods) >= MOST:
            raise TooManyMethods(f"An account has {MOST} payment methods at most.")
        try:
            card = self._processor.card(wanted.token)
        except UnknownToken:
            raise Invalid.of("token", "is not known to the payment processor") from None
        method = PaymentMethod(
            method_id=method_id,
            account_id=account_id,
            token=wanted.token,
            brand=card.brand,
            last4=card.last4,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            created_at=known.created_at if known else now,
        )
        if method.expired(now):
            raise Invalid.of("token", "the card has expired")
        chosen = wanted.default or default is None
        self._methods.save(method, default=chosen)
        return MethodView.of(method, method_id if chosen else default, now), known is None

    def list(self, caller: Caller, account_id: str | None) -> MethodList:
        account = account_for(caller, account_id, self._accounts)
        methods, default = self._methods.all_of(account)
        now = self._clock()
        return MethodList(payment_methods=[MethodView.of(one, default, now) for one in methods])

    def remove(self, caller: Caller, method_id: str, account_id: str | None) -> None:
        """Payments under way keep their card. Raises PaymentMethodNotFound."""
        account = account_id or caller.tenant
        if not self._accounts.may_see(caller, account):
            raise PaymentMethodNotFound(f"There is no payment method {method_id}.")
        self._methods.remove(account, method_id)


class PaymentDesk:
    def __init__(self, *, payments: Payments, accounts: Accounts) -> None:
        self._payments, self._accounts = payments, accounts

    def of(self, caller: Caller, payment_id: str) -> PaymentView:
        """Raises PaymentNotFound, for what is another's too."""
        account_id = self._payments.account_of(payment_id)
        if not self._accounts.may_see(caller, account_id):
            raise PaymentNotFound(f"There is no payment {payment_id}.")
        return PaymentView.of(self._payments.of(account_id, payment_id))

    def page(
        self, caller: Caller, account_id: str | None, limit: int, after: str | None
    ) -> tuple[PaymentPage, str | None]:
        account = account_for(caller, account_id, self._accounts)
        found = self._payments.page(account, limit + 1, after)
        shown = found[:limit]
        onward = shown[-1].payment_id if len(found) > limit else None
        return PaymentPage(payments=[PaymentView.of(one) for one in shown]), onward


class RefundDesk:
    """Giving deposits back, by administrators. The sweep asks the processor, within a minute; when it has done so, the
    ledger hears of it and takes back what the payment brought."""

    def __init__(self, *, payments: Payments, funds: Funds, clock: Clock) -> None:
        self._payments, self._funds, self._clock = payments, funds, clock

    def refund(self, caller: Caller, payment_id: str, wanted: RefundRequest, idempotency: Idempotency) -> PaymentView:
        """Raises PaymentNotFound, and PaymentNotRefundable where it never came through or is spent."""
        account_id = self._payments.account_of(payment_id)
        before, now = self._payments.of(account_id, payment_id), self._clock()
        if before.over and (before.refunding or before.state is State.REFUNDED):
            return PaymentView.of(before)
        if before.state is State.SUCCEEDED and self._funds.available(account_id) < before.amount:
            raise PaymentNotRefundable(f"{account_id} has spent of it.")

        def also(tx: Writes, after: Payment) -> None:
            stored.remember(tx, PaymentItem, idempotency, PaymentView.of(after).model_dump(mode="json"))
            act = intervention(
                "refund-payment",
                payment_id,
                by=caller.subject,
                reason=wanted.reason,
                before={"state": before.state.value},
                after={"refunding": True, "amount_micros": after.amount},
                now=now,
            )
            tx.put(outbox_item(PaymentItem, act, source=SOURCE))

        try:
            return PaymentView.of(self._payments.change(account_id, payment_id, lambda one: refund(one, now), also))
        except AlreadyDone:
            return PaymentView.model_validate(stored.replay(PaymentItem, idempotency))
