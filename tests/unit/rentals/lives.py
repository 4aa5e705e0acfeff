"""Rentals at the points of their lives that the unit tests start from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.rentals import rules
from gpubroker.rentals.ports import Instance, OfferTerms
from gpubroker.rentals.rental import Launch, Phase, Rental

NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)
CALLER = Caller(Role.USER, "usr_1", "usr_1", Plan.PRO)
TERMS = OfferTerms("vastai-h100", "vastai", "H100", 1, "us-east", False, 2_000_000, True)
DEPLOYMENT = "abcdefgh"
RENTAL_ID = "ren_01KSCPQP650KCY29RB756MGB45"


def after(**span: float) -> datetime:
    return NOW + timedelta(**span)


def asked(*, count: int = 1, terms: OfferTerms = TERMS, hours: float = 1, **more: object) -> Rental:
    settings: dict[str, object] = {"limit": None, "auto_renew": False, "launch": Launch("ssh-ed25519 AAAA")}
    rental, _ = rules.request(
        rental_id=RENTAL_ID,
        caller=CALLER,
        terms=terms,
        count=count,
        duration=timedelta(hours=hours),
        deployment=DEPLOYMENT,
        now=NOW,
        **{**settings, **more},  # type: ignore[arg-type]
    )
    return rental


def running(label: str, number: int = 1) -> Instance:
    return Instance(f"i-{number}", label, "running", "running", "203.0.113.7", 2222, "root")


def made(rental: Rental, member_id: str, at: datetime) -> Rental:
    """A member's create was sent, and the provider says that it runs."""
    operation = rental.operation
    assert operation is not None
    rental, _ = rules.about_to_create(rental, operation.operation_id, member_id, at)
    rental, _ = rules.created(rental, member_id, running(rental.member(member_id).label))
    rental, _ = rules.awaiting(rental, operation.operation_id, member_id, f"token-{member_id}")
    rental, _ = rules.observed(rental, member_id, running(rental.member(member_id).label), at)
    return rental


def ready(*, at: datetime = NOW, **settings: object) -> Rental:
    rental = asked(**settings)  # type: ignore[arg-type]
    rental, _ = rules.agree(rental, RENTAL_ID, settings.get("terms", TERMS), NOW)  # type: ignore[arg-type]
    for member in rental.members:
        rental = made(rental, member.member_id, at)
    rental, _ = rules.conclude_ready(rental, RENTAL_ID, at)
    assert rental.phase is Phase.READY
    return rental


def with_price(price_micros: int, terms: OfferTerms = TERMS) -> OfferTerms:
    return replace(terms, price_micros=price_micros)
