"""From a draft to a paid invoice: its number, then credits, the balance, a card, and patience.

Each step is one transaction of the header (at the version that was read) and the money that it moves: so what is
written down as paid was paid, once, however often a step is cut off and done again.
"""

from collections.abc import Callable
from dataclasses import replace

from gpubroker.billing.credits.store import AlreadyConsumed
from gpubroker.billing.invoices import invoice as rules
from gpubroker.billing.invoices.invoice import Invoice, State
from gpubroker.billing.invoices.items import InvoiceItem
from gpubroker.billing.invoices.period import Period
from gpubroker.billing.invoices.ports import Ledger, Leg
from gpubroker.billing.invoices.store import Invoices, Where
from gpubroker.billing.invoices.terms import Terms
from gpubroker.billing.payments.payment import CENT, Payment, payment_id_of
from gpubroker.billing.payments.payment import State as PaymentState
from gpubroker.billing.payments.store import Methods, Payments
from gpubroker.kernel.errors import Unavailable
from gpubroker.kernel.ids import named_id
from gpubroker.kernel.money import MicroUsd
from gpubroker.kernel.time import Clock
from gpubroker.messaging.log import logger
from gpubroker.storage.transaction import PATIENT, AlreadyDone, StaleVersion, Writes, transaction

USAGE = "house:usage"
"""What invoices earn."""
CREDITS = "house:credits"
CLEARING = "house:clearing"
ADJUSTMENTS = "house:adjustments"

_TRIES = 12


class Settling:
    """charge: asks the processor for a payment that was written; it may be done again."""

    def __init__(
        self,
        *,
        invoices: Invoices,
        ledger: Ledger,
        terms: Terms,
        payments: Payments,
        methods: Methods,
        clock: Clock,
        processor: str,
        charge: Callable[[Payment], Payment],
    ) -> None:
        self._invoices, self._ledger, self._terms = invoices, ledger, terms
        self._payments, self._methods, self._clock = payments, methods, clock
        self._processor, self._charge = processor, charge

    def issue(self, where: Where) -> Invoice:
        """Give a draft its number; one that has it stays as it is."""
        return self._invoices.issue(where)

    def collect(self, where: Where) -> Invoice:
        """Take what remains: from credits, from the balance, by a card; or be due. Harmless to repeat."""
        for _ in range(_TRIES):
            invoice = self._invoices.of(where)
            if invoice.state is State.DRAFT or invoice.state.final:
                return invoice
            try:
                after = self._collected(invoice)
            except (StaleVersion, AlreadyDone, AlreadyConsumed):
                continue  # somebody else was first: read again
            if not after.state.unpaid:
                return after
            try:
                return self._dunned(after)
            except (StaleVersion, AlreadyDone):
                continue
        raise Unavailable(f"{where.invoice_id} is changing too fast; try again.", retry_after=1)

    def attend(self, where: Where) -> Invoice:
        """What is due for an invoice: its number, what is left of its collection, its due date, the next try."""
        self.issue(where)
        self._invoices.change(where, rules.fall_due)
        return self.collect(where)

    def sweep(self) -> dict[str, int]:
        """Every few minutes: all that is due. The trouble of one never costs the others."""
        counts: dict[str, int] = {}
        for where in self._invoices.due(self._clock()):
            try:
                state = self.attend(where).state.value
            except Exception as error:
                state = "failed"
                logger().error("invoice not attended to", extra={"invoice_id": where.invoice_id, "error": repr(error)})
            counts[state] = counts.get(state, 0) + 1
        return counts

    # ------------------------------------------------------------ credits and balance

    def _collected(self, invoice: Invoice) -> Invoice:
        """What credits (once, when it is issued) and the balance pay; or what the house owes, given back."""
        if self._under_way(invoice) is not None:
            return invoice  # what a card is being asked for is taken from nowhere else
        if invoice.remaining < 0:
            return self._move(invoice, 0)
        available = self._ledger.available(invoice.account_id) if invoice.remaining else 0
        if not available and invoice.state.unpaid:
            return invoice  # nothing changed since the last look
        try:
            return self._move(invoice, available)
        except self._ledger.refusals:
            # Spent meanwhile, or frozen: credits alone, and the balance at the next look.
            return invoice if invoice.state.unpaid else self._move(invoice, 0)

    def _move(self, invoice: Invoice, available: MicroUsd) -> Invoice:
        """One transaction: the header, credits where it has just been issued, and the transfer."""
        now, account = self._clock(), invoice.account_id
        with transaction(InvoiceItem, backoff=PATIENT) as tx:
            by_credits = 0
            if invoice.state is State.ISSUED and invoice.remaining > 0:
                charges = {name: amount for name, amount in invoice.by_resource.items() if amount > 0}
                month = Period.parse(invoice.period)
                by_credits = self._terms.consume(tx, account, invoice.invoice_id, charges, month)
            by_credits = min(by_credits, max(0, invoice.remaining))
            left = invoice.remaining - by_credits
            back, by_balance = max(0, -left), _cents(available, left) if left > 0 else 0
            after = rules.collected(invoice, credits=by_credits, balance=by_balance, given_back=back, now=now)
            if after.state.unpaid:
                after = replace(after, next_at=now + rules.COLLECT_AGAIN)
            legs = [Leg(CREDITS, USAGE, by_credits)] if by_credits else []
            legs += [Leg(account, USAGE, by_balance)] if by_balance else []
            legs += [Leg(USAGE, account, back)] if back else []
            self._invoices.add_change(tx, invoice, after, now)
            if legs:
                self._add_transfer(tx, after, legs)
        return after

    def _add_transfer(self, tx: Writes, after: Invoice, legs: list[Leg]) -> None:
        reference = {"invoice_id": after.invoice_id, "number": after.number or ""}
        transfer_id = named_id("txn", after.invoice_id, after.version)
        self._ledger.add(tx, transfer_id, "invoice", legs, reference)

    # ------------------------------------------------------------ cards

    def _dunned(self, invoice: Invoice) -> Invoice:
        """Ask a card for what remains, where there is one that may be asked; else wait."""
        payment = self._under_way(invoice)
        now = self._clock()
        if payment is not None:
            self._charge(payment)
            return self._invoices.of(_where(invoice))
        methods, default = self._methods.all_of(invoice.account_id)
        method = next((one for one in methods if one.method_id == default and not one.expired(now)), None)
        where = _where(invoice)
        if method is None or not rules.may_charge(invoice, method.method_id, now):
            return self._invoices.change(where, rules.wait)
        payment = Payment(
            payment_id=payment_id_of("invoice", invoice.invoice_id, invoice.payments + 1),
            account_id=invoice.account_id,
            amount=-(-invoice.remaining // CENT) * CENT,  # whole cents; what is over goes to the balance
            purpose="invoice",
            reference=invoice.invoice_id,
            method_id=method.method_id,
            token=method.token,
            processor=self._processor,
            created_at=now,
            changed_at=now,
        )
        after = rules.charge(invoice, payment.payment_id, method.method_id, now)
        with transaction(InvoiceItem) as tx:
            self._invoices.add_change(tx, invoice, after, now)
            self._payments.add(tx, payment)
        self._charge(payment)
        return self._invoices.of(where)

    def _under_way(self, invoice: Invoice) -> Payment | None:
        if invoice.payment_id is None:
            return None
        payment = self._payments.of(invoice.account_id, invoice.payment_id)
        return None if payment.over else payment


class InvoicePayments:
    """billing.payments.ports.Consequence: what the end of an invoice's payment changes, in its transaction."""

    def __init__(self, *, invoices: Invoices, ledger: Ledger) -> None:
        self._invoices, self._ledger = invoices, ledger

    def ended(self, tx: Writes, payment: Payment) -> None:
        before, now = self._invoices.of(self._invoices.where(payment.reference)), payment.changed_at
        if payment.state is PaymentState.FAILED:
            after = rules.card_failed(before, payment.payment_id, now)
            if after is not before:
                self._invoices.add_change(tx, before, after, now)
            return
        if payment.state is PaymentState.REFUNDED:
            after = rules.card_taken_back(before, payment.amount, now)
            self._invoices.add_change(tx, before, after, now)
            reference = {"invoice_id": after.invoice_id, "payment_id": payment.payment_id}
            legs = [Leg(USAGE, CLEARING, payment.amount)]
            self._ledger.add(tx, named_id("txn", payment.payment_id, "refunded"), "invoice_refund", legs, reference)
            return
        after = rules.card_paid(before, payment.payment_id, payment.amount, now)
        self._invoices.add_change(tx, before, after, now)
        back = after.overpaid - before.overpaid
        legs = [Leg(CLEARING, USAGE, payment.amount - back)] if payment.amount > back else []
        legs += [Leg(CLEARING, payment.account_id, back)] if back else []
        reference = {"invoice_id": after.invoice_id, "payment_id": payment.payment_id}
        self._ledger.add(tx, named_id("txn", payment.payment_id), "invoice_payment", legs, reference)


def _where(invoice: Invoice) -> Where:
    return Where(invoice.account_id, invoice.period, invoice.invoice_id)


def _cents(amount: MicroUsd, wanted: MicroUsd) -> MicroUsd:
    """All that is wanted, or what leaves whole cents: a card takes no less."""
    if amount >= wanted:
        return wanted
    short = wanted - amount
    return max(0, wanted - -(-short // CENT) * CENT)
