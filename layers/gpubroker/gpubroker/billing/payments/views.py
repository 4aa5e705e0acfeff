"""How payments and payment methods are shown. Never a token: who sees a card here can do nothing with it."""

from datetime import datetime
from typing import Self

from pydantic import Field

from gpubroker.billing.payments.method import PaymentMethod
from gpubroker.billing.payments.payment import Payment, State
from gpubroker.kernel.money import usd
from gpubroker.kernel.schemas import View
from gpubroker.kernel.time import iso


class MethodView(View):
    payment_method_id: str
    account_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    expired: bool
    default: bool = Field(description="used where none is named")
    created_at: str

    @classmethod
    def of(cls, method: PaymentMethod, default: str | None, now: datetime) -> Self:
        return cls(
            payment_method_id=method.method_id,
            account_id=method.account_id,
            brand=method.brand,
            last4=method.last4,
            exp_month=method.exp_month,
            exp_year=method.exp_year,
            expired=method.expired(now),
            default=method.method_id == default,
            created_at=iso(method.created_at),
        )


class MethodList(View):
    payment_methods: list[MethodView]


class PaymentView(View):
    payment_id: str
    account_id: str
    state: str = Field(description="created, processing, succeeded, failed or refunded")
    amount: float
    amount_micros: int
    currency: str
    purpose: str = Field(description="deposit or invoice")
    reference: str = Field(description="the deposit's or the invoice's id")
    payment_method_id: str
    processor: str
    refunding: bool = Field(description="all of it is being given back")
    failure: str | None = Field(None, description="why it failed, in the processor's word")
    created_at: str
    changed_at: str

    @classmethod
    def of(cls, payment: Payment) -> Self:
        return cls(
            payment_id=payment.payment_id,
            account_id=payment.account_id,
            state=payment.state.value,
            amount=usd(payment.amount),
            amount_micros=payment.amount,
            currency=payment.currency,
            purpose=payment.purpose,
            reference=payment.reference,
            payment_method_id=payment.method_id,
            processor=payment.processor,
            refunding=payment.refunding and payment.state is State.SUCCEEDED,
            failure=payment.failure,
            created_at=iso(payment.created_at),
            changed_at=iso(payment.changed_at),
        )


class PaymentPage(View):
    payments: list[PaymentView]
    next_cursor: str | None = None


class WebhookView(View):
    """`ignored`: a payment that is not ours, or nothing new."""

    received: bool = True
    ignored: bool
