"""The rules of transfers: what is moved where, and what a part of one takes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubroker.kernel.errors import Invalid
from gpubroker.ledger.accounts import HOUSE_SHARDS, Kind, kept_as, kind_of, named, shards_of
from gpubroker.ledger.transfers import (
    LARGEST,
    MOST_LEGS,
    Leg,
    Transfer,
    check,
    fingerprint_of,
    movements,
    taken_back,
)

ACCOUNTS = ("usr_a", "org_b", "seller:c", "escrow:d", "house:fees", "house:clearing")
amounts = st.integers(1, LARGEST)
legs = st.lists(
    st.builds(Leg, st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), amounts).filter(
        lambda leg: leg.debit != leg.credit
    ),
    min_size=1,
    max_size=8,
)


@given(legs, st.text("abc", min_size=1))
def test_debits_and_credits_are_equal_however_legs_are_put_together(legs, transfer_id):
    """I1, I7."""
    moved = movements(transfer_id, legs)
    assert sum(one.debit for one in moved.values()) == sum(one.credit for one in moved.values())
    assert sum(one.takes for one in moved.values()) == 0
    for account_id in ACCOUNTS:
        mine = [one for kept, one in moved.items() if named(kept) == account_id]
        assert len(mine) <= 1
        assert sum(one.debit for one in mine) == sum(leg.amount for leg in legs if leg.debit == account_id)
        assert sum(one.credit for one in mine) == sum(leg.amount for leg in legs if leg.credit == account_id)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6), st.lists(st.integers(1, 10**9), max_size=6))
def test_parts_taken_back_add_up_and_never_exceed_a_leg(amounts, wanted):
    """I9."""
    legs = [Leg("usr_a", "usr_b", amount) for amount in amounts]
    done, total = [0] * len(legs), sum(amounts)
    for amount in wanted:
        if amount > total - sum(done):
            with pytest.raises(ValueError, match="of"):
                taken_back(legs, done, amount)
            continue
        parts = taken_back(legs, done, amount)
        assert sum(parts) == amount
        assert min(parts) >= 0
        done = [before + part for before, part in zip(done, parts, strict=True)]
        assert all(one <= leg.amount for one, leg in zip(done, legs, strict=True))
    if sum(done) < total:
        rest = taken_back(legs, done, None)
        assert [before + part for before, part in zip(done, rest, strict=True)] == amounts


def test_the_rest_of_a_division_goes_to_the_first_legs():
    legs = [Leg("usr_a", f"usr_{name}", 10) for name in "bcd"]
    assert taken_back(legs, [0, 0, 0], 8) == (4, 2, 2)
    assert taken_back(legs, [10, 9, 0], 2) == (0, 1, 1)


@pytest.mark.parametrize(
    ("account_id", "kind"),
    [
        ("usr_1", Kind.USER),
        ("org_1", Kind.ORGANIZATION),
        ("seller:vastai", Kind.SELLER),
        ("escrow:ren_1", Kind.ESCROW),
        ("house:fees", Kind.HOUSE),
    ],
)
def test_an_id_names_its_kind(account_id, kind):
    assert kind_of(account_id) is kind


@pytest.mark.parametrize(
    "account_id", ["", "usr_", "anna", "escrow:", "house:fees/1", "usr_a#b", "usr_\n", "seller:" + "x" * 200]
)
def test_an_id_that_names_no_account(account_id):
    with pytest.raises(Invalid):
        kind_of(account_id)


def test_a_house_account_is_kept_in_shards_by_the_transfers_id():
    kept = {kept_as("house:fees", f"t-{number}") for number in range(1000)}
    assert kept == set(shards_of("house:fees"))
    assert len(kept) == HOUSE_SHARDS
    assert kept_as("house:fees", "t-1") == kept_as("house:fees", "t-1")
    assert {named(one) for one in kept} == {"house:fees"}
    assert list(shards_of("seller:a/b")) == [kept_as("seller:a/b", "t")] == ["seller:a/b"]


def test_too_many_legs_for_one_transaction_are_refused():
    many = tuple(Leg("usr_a", f"usr_{number}", 1) for number in range(MOST_LEGS))
    check(Transfer("t", "k", many))
    with pytest.raises(Invalid):
        check(Transfer("t", "k", (*many, Leg("usr_a", "usr_b", 1))))


@pytest.mark.parametrize("reference", [{"a": 1}, {1: "a"}, {"a": "x" * 257}, {str(n): "" for n in range(17)}])
def test_a_reference_is_a_few_short_texts(reference):
    with pytest.raises(Invalid):
        check(Transfer("t", "k", (Leg("usr_a", "usr_b", 1),), reference))


def test_bodies_are_told_apart_by_all_they_say_and_by_nothing_else():
    one = Transfer("t", "k", (Leg("usr_a", "usr_b", 1),), {"x": "1", "y": "2"})
    assert fingerprint_of(one) == fingerprint_of(Transfer("t", "k", one.legs, {"y": "2", "x": "1"}))
    others = [
        Transfer("t", "l", one.legs, one.reference),
        Transfer("t", "k", (Leg("usr_a", "usr_b", 2),), one.reference),
        Transfer("t", "k", (Leg("usr_b", "usr_a", 1),), one.reference),
        Transfer("t", "k", one.legs * 2, one.reference),
        Transfer("t", "k", one.legs, {"x": "1"}),
    ]
    assert len({fingerprint_of(other) for other in [one, *others]}) == len(others) + 1
