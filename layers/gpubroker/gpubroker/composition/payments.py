"""What payments need of others (billing/payments/ports.py), and their use cases with everything they need."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpubroker.billing.payments.cashier import Cashier
    from gpubroker.billing.payments.ports import Accounts
    from gpubroker.billing.payments.store import Payments
    from gpubroker.billing.payments.use_cases import MethodDesk, PaymentDesk, RefundDesk
    from gpubroker.kernel.caller import Caller


@cache
def accounts() -> "Accounts":
    """Who may see and who may change what an account pays with."""
    return _Accounts()


@cache
def method_desk() -> "MethodDesk":
    """Seeing and removing payment methods. Touches DynamoDB only, so it may stand inside the VPC."""
    from gpubroker.billing.payments.store import Methods
    from gpubroker.billing.payments.use_cases import MethodDesk
    from gpubroker.kernel.time import utc_now

    return MethodDesk(methods=Methods(), accounts=accounts(), clock=utc_now)


@cache
def new_method_desk() -> "MethodDesk":
    """Adding payment methods. Speaks to the processor: outside the VPC."""
    from gpubroker.billing.payments import processor
    from gpubroker.billing.payments.store import Methods
    from gpubroker.billing.payments.use_cases import MethodDesk
    from gpubroker.kernel.time import utc_now

    return MethodDesk(methods=Methods(), accounts=accounts(), clock=utc_now, processor=processor.configured())


@cache
def payments() -> "Payments":
    """Payments whose end has its consequences: where their state is moved."""
    from gpubroker.billing.payments.store import Payments
    from gpubroker.composition import invoices

    return Payments(consequences={"invoice": invoices.invoice_payments()})


@cache
def payment_desk() -> "PaymentDesk":
    from gpubroker.billing.payments.store import Payments
    from gpubroker.billing.payments.use_cases import PaymentDesk

    return PaymentDesk(payments=Payments(), accounts=accounts())


@cache
def refund_desk() -> "RefundDesk":
    """Touches DynamoDB only: the sweep asks the processor."""
    from gpubroker.billing.payments.use_cases import RefundDesk
    from gpubroker.composition import invoices
    from gpubroker.kernel.time import utc_now

    return RefundDesk(payments=payments(), funds=invoices.ledger(), clock=utc_now)


@cache
def cashier() -> "Cashier":
    """Taking payments. Speaks to the processor: outside the VPC."""
    from gpubroker.billing.payments import processor
    from gpubroker.billing.payments.cashier import Cashier
    from gpubroker.billing.payments.store import Methods
    from gpubroker.kernel.time import utc_now

    return Cashier(payments=payments(), methods=Methods(), processor=processor.configured(), clock=utc_now)


class _Accounts:
    """billing.payments.ports.Accounts: administrators and services see all, a member by the role's right to fund."""

    def may_see(self, caller: "Caller", account_id: str) -> bool:
        from gpubroker.kernel.caller import Role

        if caller.role in (Role.ADMIN, Role.SERVICE) or account_id == caller.tenant:
            return True
        if not account_id.startswith("org_"):
            return False
        from gpubroker.ledger.organizations.repository import Organizations
        from gpubroker.ledger.organizations.roles import Right

        member = Organizations().place_of(account_id, caller.tenant)
        return member is not None and member.may(Right.FUND)
