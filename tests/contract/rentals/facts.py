"""Every fact that rentals can tell, told by the rules themselves."""

from dataclasses import replace

from gpubroker.kernel.events import Event
from gpubroker.rentals import endings, rules, scaling, terms
from gpubroker.rentals.rental import Failure, Rental
from gpubroker.rentals.rules import Step
from tests.unit.rentals.lives import CALLER, DEPLOYMENT, NOW, RENTAL_ID, TERMS, after, asked, made, ready

FAILURE = Failure("no-capacity", "The provider has none left of this offer.")
TENANT = "usr_01KSCN0000000000000000000A"


def _added() -> Rental:
    rental, _ = scaling.add(ready(limit=3_000_000), 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=after(minutes=5))
    rental, _ = scaling.agree_added(rental, f"{RENTAL_ID}-scale-1", TERMS, [], after(minutes=5))
    return rental


def _requested() -> Step:
    rental = asked(limit=3_000_000, auto_renew=True)
    from gpubroker.rentals import facts

    return rental, (facts.requested(rental),)


def _ready() -> Step:
    rental, _ = rules.agree(asked(count=2), RENTAL_ID, TERMS, NOW)
    rental = made(made(rental, "m1", after(seconds=40)), "m2", after(seconds=50))
    return rules.conclude_ready(rental, RENTAL_ID, after(seconds=51))


def _failed() -> Step:
    rental, _ = rules.undo(asked(), RENTAL_ID, FAILURE, after(minutes=1))
    return endings.conclude_end(rental, after(minutes=1))


def _scaling() -> Step:
    return scaling.add(ready(), 1, plan=CALLER.plan, deployment=DEPLOYMENT, now=after(minutes=5))


def _scaled() -> Step:
    rental = made(_added(), "m2", after(minutes=6))
    return scaling.conclude_scaling(rental, f"{RENTAL_ID}-scale-1", after(minutes=6))


def _scale_failed() -> Step:
    rental, _ = scaling.undo_addition(_added(), f"{RENTAL_ID}-scale-1", FAILURE, after(minutes=6))
    return scaling.conclude_scaling(rental, f"{RENTAL_ID}-scale-1", after(minutes=6))


def _member_lost() -> Step:
    rental, told = endings.seen(ready(count=2), {"m2": None}, after(minutes=15))
    return rental, told


def _renewed() -> Step:
    return terms.renew(ready(auto_renew=True, limit=3_000_000), {"m1": 2_500_000}, after(hours=1, seconds=20))


def _refused() -> Step:
    rental = ready(auto_renew=True)
    return terms.expire(rental, after(hours=1, seconds=20), notice="Not renewed: the price is $2.50 an hour now.")


def _ending() -> Step:
    return endings.end(ready(), at=after(minutes=30), now=after(minutes=30), reason="requested")


def _over() -> Rental:
    rental, _ = _ending()
    rental, _ = endings.member_gone(rental, "m1", after(minutes=31))
    return rental


def _ended() -> Step:
    return endings.conclude_end(_over(), after(minutes=31))


def _finalised() -> Step:
    return endings.finalise(_ended()[0], 900, by="svc_billing", now=after(hours=2))


_MAKERS = {
    "RentalRequested": _requested,
    "RentalReady": _ready,
    "RentalFailed": _failed,
    "RentalScaling": _scaling,
    "RentalScaled": _scaled,
    "RentalScaleFailed": _scale_failed,
    "RentalMemberLost": _member_lost,
    "RentalRenewed": _renewed,
    "RentalRenewalRefused": _refused,
    "RentalEnding": _ending,
    "RentalEnded": _ended,
    "RentalFinalised": _finalised,
}


def events() -> dict[str, Event]:
    """One event of each type, by type."""
    told = {}
    for kind, maker in _MAKERS.items():
        rental, facts = maker()
        (fact,) = [one for one in facts if one.type == kind]
        told[kind] = fact.event(replace(rental, tenant=TENANT, payer=TENANT))
    return told
