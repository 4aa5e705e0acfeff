"""The books are proved, and whatever is wrong with them is found."""

import json
from datetime import timedelta

import pytest

from gpubroker.ledger.book import Book, Leg, NewHold, Transfer
from gpubroker.ledger.items import REGISTER_SHARDS, AccountItem
from gpubroker.ledger.jobs import BooksWrong, HoldsNotReleased, report_sweep, report_verdict
from gpubroker.ledger.sweeps import release_expired
from gpubroker.ledger.verification import QUIET, Report, conclude, verify
from gpubroker.storage.transaction import StaleVersion
from infra import ledger as commands
from ledger import conclude_verification, release_holds, verify_shard
from tests.books.store import Store, instead_of_dynamodb

ANNA, ORDER = "usr_anna", "escrow:ord_1"


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    store = Store()
    with instead_of_dynamodb(store):
        yield store


@pytest.fixture
def kept(store, clock):
    """A little business of an hour ago."""
    book = Book(clock=clock, sleep=lambda _: None)
    book.open(ANNA, credit_limit=50)
    book.open("usr_ben")
    book.transfer(Transfer("t-1", "deposit", (Leg("house:clearing", ANNA, 1000),)))
    for number in range(20):
        book.hold(NewHold(f"h-{number}", ANNA, 10))
        if number % 2:
            book.capture(f"h-{number}", ANNA, f"c-{number}", 7, {ORDER: 7})
    book.transfer(Transfer("t-2", "settlement", (Leg(ORDER, "seller:x", 63), Leg(ORDER, "house:fees", 7))))
    clock.tick(hours=1)
    return book


def verdict_of(clock, left=lambda: 1e9):
    reports = []
    for shard in range(REGISTER_SHARDS):
        report = Report(shard)
        while not report.done:
            report = Report.of(json.loads(json.dumps(verify(report, begun_at=clock(), left=left).as_json())))
        reports.append(report)
    return conclude(reports, shards=REGISTER_SHARDS)


def test_right_books_are_right(kept, clock):
    verdict = verdict_of(clock)
    assert verdict.right
    assert verdict.differences == []
    assert verdict.accounts == verdict.exact
    assert verdict.settled_debits == verdict.settled_credits == 1000 + 70 + 70
    assert verdict.postings == 2 * 11 + 3


def test_a_verification_that_has_no_time_goes_on_page_by_page(kept, clock, store, monkeypatch):
    """A page at a time, with the report as JSON between: nothing is read twice or left out."""
    whole = verdict_of(clock)
    real = store._query

    def two_at_a_time(asked):
        return real(asked | {"Limit": 2} if "#ENTRY" in json.dumps(asked) else asked)

    monkeypatch.setattr(store, "_query", two_at_a_time)
    assert verdict_of(clock, left=lambda: 0.0) == whole


def entry_of(store, account, transfer):
    return next(key for key in store.items if key[0] == f"{account}#ENTRY" and transfer in key[1])


TAMPERING = {
    "an entry is gone": (lambda s: s._forget(entry_of(s, ANNA, "c-1")), "debits"),
    "an entry was changed": (lambda s: add(s, entry_of(s, ORDER, "c-1"), "credit", 1), "credits"),
    "an update was lost": (lambda s: add(s, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "debits", -7), "debits"),
    "a posting was not counted": (lambda s: add(s, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "postings", -1), "postings"),
    "a hold was released twice": (lambda s: add(s, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "held", -10), "held"),
    "a hold was changed": (lambda s: add(s, (f"{ANNA}#HOLD", "h-0"), "amount", 5), "held"),
    "there is too much room": (lambda s: add(s, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "room", 1), "room"),
}


def add(store, key, name, amount):
    store.items[key][name] = {"N": str(int(store.items[key][name]["N"]) + amount)}


@pytest.mark.parametrize("what", TAMPERING)
def test_whatever_was_tampered_with_is_found(kept, clock, store, what):
    """I2."""
    tamper, where = TAMPERING[what]
    tamper(store)
    verdict = verdict_of(clock)
    assert not verdict.right
    assert where in {one.what for one in verdict.differences}
    with pytest.raises(BooksWrong):
        report_verdict(verdict)


def test_a_side_of_a_transfer_that_is_nowhere_is_found(kept, clock, store):
    """An account whose sums and entries agree with each other, but not with the other side (I1)."""
    for key in [key for key in store.items if key[0].startswith("seller:x#")]:
        store._forget(key)
    verdict = verdict_of(clock)
    assert (verdict.differences, verdict.unbalanced) == ([], 63)
    assert not verdict.right


def test_money_that_moves_meanwhile_is_no_difference(kept, clock, store, monkeypatch):
    """Somebody pays whenever entries are read: every account is between what it was before and after."""
    real, number = store._query, iter(range(10_000))

    def busy(asked):
        answer = real(asked)
        if f"{ANNA}#ENTRY" in json.dumps(asked):
            legs = [{"debit": ANNA, "credit": "usr_ben", "amount": 1}]
            transfer = Transfer(f"m-{next(number)}", "payment", tuple(Leg(**leg) for leg in legs))
            store._lock.release()
            kept.transfer(transfer)
            store._lock.acquire()
        return answer

    monkeypatch.setattr(store, "_query", busy)
    verdict = verdict_of(clock)
    assert verdict.right
    assert verdict.exact < verdict.accounts
    assert kept.account("usr_ben").credits >= 3


def test_a_finished_escrow_leaves_the_register_and_comes_back_when_it_is_used(kept, clock, store):
    clock.tick(seconds=QUIET.total_seconds())
    assert verdict_of(clock).retired == 1
    without = verdict_of(clock)
    assert (without.right, without.retired) == (True, 0)
    assert AccountItem.get(*AccountItem.key(ORDER)).gsi1pk is None
    kept.transfer(Transfer("t-3", "refund", (Leg("seller:x", ORDER, 3), Leg("seller:x", "usr_ben", 3))))
    clock.tick(hours=1)
    back = verdict_of(clock)
    assert (back.right, back.accounts) == (True, without.accounts + 1)


def test_shards_that_could_not_be_read_are_no_proof(kept, clock):
    verdict = conclude([verify(Report(0), begun_at=clock(), left=lambda: 1e9)], shards=REGISTER_SHARDS)
    assert verdict.unread == REGISTER_SHARDS - 1
    with pytest.raises(BooksWrong, match="15 shards unread"):
        report_verdict(verdict)


def test_the_functions_of_the_workflow_prove_the_books(kept, store):
    reports = [verify_shard.handler({"shard": shard, "begun_at": "2026-06-01T00:00:00.000Z", "so_far": None}, None)
               for shard in range(REGISTER_SHARDS)]  # fmt: skip
    verdict = conclude_verification.handler({"reports": json.loads(json.dumps(reports))}, None)
    assert (verdict["wrong"], verdict["unread"], verdict["unbalanced"]) == (0, 0, "0")
    with pytest.raises(BooksWrong):
        conclude_verification.handler({"reports": [{}, *reports[1:]]}, None)


def test_operators_prove_the_books_from_their_own_machine(kept, store, capsys):
    assert commands.main(["verify"]) == 0
    assert capsys.readouterr().out.endswith("the books are right\n")
    assert commands.main(["account", ANNA]) == 0
    assert commands.main(["account", "house:fees"]) == 0
    assert commands.main(["account", "usr_nobody"]) == 1
    add(store, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "credits", 5)
    assert commands.main(["account", ANNA]) == 1
    assert commands.main(["verify"]) == 1
    assert f"WRONG {ANNA} credits: kept 1005, by its entries 1000" in capsys.readouterr().out


@pytest.mark.parametrize("what", sorted(set(TAMPERING) - {"an entry is gone", "an entry was changed"}))
def test_sums_are_mended_from_entries_and_holds(kept, store, capsys, what):
    TAMPERING[what][0](store)
    assert commands.main(["mend", ANNA]) == 0
    assert commands.main(["verify"]) == 0
    assert "was" in capsys.readouterr().out
    assert commands.main(["mend", ANNA]) == 0
    assert "was" not in capsys.readouterr().out


def test_an_account_that_moves_is_not_mended(kept, store, monkeypatch):
    add(store, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "room", 1)
    real = store._transact_write_items

    def overtaken(asked):
        add(store, (f"{ANNA}#ACCOUNT", "ACCOUNT"), "version", 1)
        return real(asked)

    monkeypatch.setattr(store, "_transact_write_items", overtaken)
    with pytest.raises(StaleVersion):
        commands.main(["mend", ANNA])


# ---------------------------------------------------------------- the sweep


def test_the_sweep_releases_what_is_over_and_nothing_else(store, clock):
    book = Book(clock=clock, sleep=lambda _: None)
    for number in range(30):
        account = f"usr_{number % 7}"
        book.open(account, credit_limit=1000)
        book.hold(NewHold(f"h-{number}", account, 10, expires_at=clock.now + timedelta(seconds=number)))
    clock.tick(seconds=19)
    assert report_sweep(release_expired(book, clock)) == {"released": 20}
    assert report_sweep(release_expired(book, clock)) == {"released": 0}
    assert sum(book.account(f"usr_{number}").held for number in range(7)) == 100


def test_one_holds_trouble_costs_no_other(store, clock, monkeypatch):
    book = Book(clock=clock, sleep=lambda _: None)
    book.open(ANNA, credit_limit=1000)
    for number in range(5):
        book.hold(NewHold(f"h-{number}", ANNA, 10, expires_at=clock.now))
    real = book.expire
    with monkeypatch.context() as trouble:
        trouble.setattr(book, "expire", lambda hold, account: 1 / 0 if hold == "h-2" else real(hold, account))
        swept = release_expired(book, clock)
    assert (swept.released, swept.errors) == (4, {"h-2": "ZeroDivisionError: division by zero"})
    with pytest.raises(HoldsNotReleased, match="h-2"):
        report_sweep(swept)
    assert release_expired(book, clock).released == 1


def test_the_function_of_the_sweep(store, clock):
    book = Book(clock=clock, sleep=lambda _: None)
    book.open(ANNA, credit_limit=10)
    book.hold(NewHold("h-1", ANNA, 10, expires_at=clock.now))
    assert release_holds.handler({}, None) == {"released": 1}
    assert book.account(ANNA).held == 0
