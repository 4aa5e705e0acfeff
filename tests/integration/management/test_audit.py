"""The audit log in DynamoDB: many writers, every event once, and what a verification finds. # (42)"""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from gpubroker.management.audit.entry import CHAINS, Event, Head
from gpubroker.management.audit.log import AlreadyRecorded, AuditLog, Wanted
from gpubroker.management.audit.verify import ANCHOR, verify, verify_and_anchor
from infra import audit as command
from tests.unit.management.making import NOW


@pytest.fixture
def log(table: Any) -> AuditLog:
    return AuditLog()


def event(subject: str = "usr_1", **changes: Any) -> Event:
    usual: dict[str, Any] = {"type": "tested", "data": {}, "subjects": (subject,), "actor": "service:test"}
    return Event(**usual | changes)


def of_each_chain() -> list[str]:
    """A subject for each chain."""
    found: dict[int, str] = {}
    for number in range(1000):
        found.setdefault(event(f"usr_{number}").chain, f"usr_{number}")
    return [found[chain] for chain in range(CHAINS)]


def fill(log: AuditLog, each: int = 3) -> None:
    for number in range(each):
        for subject in of_each_chain():
            log.append(event(subject, data={"number": number}), NOW + timedelta(seconds=number))


def test_sixteen_writers_of_one_chain_leave_no_gap_and_no_fork(table: Any, one_call_at_a_time: None) -> None:
    each, broken = 2, []

    def write(writer: int) -> None:
        log = AuditLog()  # as a function of its own would have it
        for number in range(each):
            try:
                log.append(event(data={"writer": writer, "number": number}), NOW)
            except Exception as error:
                broken.append(error)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not broken
    log = AuditLog()
    report = verify(log)
    assert (report.entries, report.findings) == (16 * each, ())
    stored = list(log.chain_after(Head(event().chain)))
    told = [json.loads(text)["data"] for _, text, _ in stored]
    assert sorted((one["writer"], one["number"]) for one in told) == [(w, n) for w in range(16) for n in range(each)]
    for writer in range(16):  # and everyone's own in their order
        assert [one["number"] for one in told if one["writer"] == writer] == list(range(each))


def test_an_event_is_recorded_once_by_whoever_comes_first(table: Any, one_call_at_a_time: None) -> None:
    outcomes: list[str] = []

    def write() -> None:
        try:
            AuditLog().append(event(event_id="evt_1"), NOW)
            outcomes.append("recorded")
        except AlreadyRecorded:
            outcomes.append("already")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already"] * 7 + ["recorded"]
    assert verify(AuditLog()).entries == 1


def test_chains_that_were_left_alone_are_whole(log: AuditLog, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(log).findings == ()
    fill(log)
    report = verify(log)
    assert (report.entries, report.findings) == (3 * CHAINS, ())
    assert command.main(["verify", "--table", "management"]) == 0
    assert f"{3 * CHAINS} entries in {CHAINS} chains: whole" in capsys.readouterr().out


def entries(table: Any, chain: int) -> list[dict[str, Any]]:
    items = [item for item in table.scan()["Items"] if item["pk"] == f"AUDIT#{chain}"]
    return sorted(items, key=lambda item: str(item["sk"]))


def test_a_changed_a_missing_and_a_foreign_entry_are_found(
    log: AuditLog, table: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(log)
    changed = entries(table, 0)[1]
    table.put_item(Item={**changed, "text": changed["text"].replace('"number":1', '"number":7')})
    missing = entries(table, 1)[1]
    table.delete_item(Key={"pk": missing["pk"], "sk": missing["sk"]})
    cut = entries(table, 2)[2]
    table.delete_item(Key={"pk": cut["pk"], "sk": cut["sk"]})
    foreign = entries(table, 3)[2]
    table.put_item(Item={**foreign, "sk": foreign["sk"].replace("#000000000003", "#000000000004")})
    found = {(finding.chain, finding.sequence) for finding in verify(log).findings}
    assert {(0, 2), (1, 2), (2, 3)} <= found
    assert {chain for chain, _ in found} == {0, 1, 2, 3}
    assert command.main(["verify", "--table", "management"]) == 1
    assert "NOT WHOLE: chain 0, entry 2" in capsys.readouterr().out


def test_who_cuts_an_end_and_mends_the_head_contradicts_an_anchor(log: AuditLog, table: Any) -> None:
    fill(log)
    assert verify_and_anchor(log, NOW + timedelta(minutes=1)).findings == ()
    anchored = log.page(Wanted(type=ANCHOR), 1, before=None)[0][0].entry
    chain = (anchored.chain + 1) % CHAINS
    last, before = entries(table, chain)[2], entries(table, chain)[1]
    table.delete_item(Key={"pk": last["pk"], "sk": last["sk"]})
    head = table.get_item(Key={"pk": "AUDIT", "sk": f"HEAD#{chain}"})["Item"]
    moment = before["sk"].partition("#")[0]
    table.put_item(Item={**head, "version": 2, "hash": before["hash"], "recorded_at": moment})
    (finding,) = verify(log).findings
    assert (finding.chain, finding.sequence) == (chain, 3)
    assert "anchor" in finding.what


def test_a_caller_cannot_leave_an_anchor(log: AuditLog) -> None:
    log.append(event(type=ANCHOR, data={"heads": [{"chain": 0, "key": "x#1", "hash": "f"}]}), NOW)
    assert verify(log).findings == ()


def test_every_night_goes_on_where_the_last_one_ended(log: AuditLog, table: Any) -> None:
    fill(log)
    assert verify_and_anchor(log, NOW + timedelta(hours=1)).entries == 3 * CHAINS
    assert verify_and_anchor(log, NOW + timedelta(hours=2)).entries == 0  # its own anchor is no reason for another
    log.append(event(), NOW + timedelta(hours=3))
    assert verify_and_anchor(log, NOW + timedelta(hours=4)).entries == 1
    assert len(log.page(Wanted(type=ANCHOR), 10, before=None)[0]) == 2
    assert verify(log).findings == ()
    # What is wrong stays found until somebody has looked at it.
    log.append(event(), NOW + timedelta(hours=5))
    bad = entries(table, event().chain)[-1]
    table.put_item(Item={**bad, "text": bad["text"].replace("tested", "tasted")})
    for _ in range(2):
        assert len(verify_and_anchor(log, NOW + timedelta(hours=6)).findings) == 1


def test_the_night_fails_loudly_when_the_log_is_not_whole(table: Any, log: AuditLog) -> None:
    from gpubroker.composition import management as composition
    from management import verify_audit

    composition.audit_desk.cache_clear()
    fill(log, 1)
    assert verify_audit.handler({}, None) == {"entries": CHAINS}
    log.append(event(), NOW)
    bad = entries(table, event().chain)[-1]
    table.put_item(Item={**bad, "hash": "0" * 64})
    with pytest.raises(verify_audit.AuditLogBroken):
        verify_audit.handler({}, None)
    composition.audit_desk.cache_clear()


def test_a_broken_clock_does_not_turn_a_chain_around(log: AuditLog) -> None:
    later = log.append(event(), NOW + timedelta(hours=1)).entry
    then = log.append(event(), NOW).entry
    assert (then.sequence, then.recorded_at) == (later.sequence + 1, later.recorded_at)
    assert verify(log).findings == ()


def test_pages_of_entries_of_one_moment_leave_none_out(log: AuditLog) -> None:
    subjects = of_each_chain()
    for _ in range(3):
        for subject in subjects:
            log.append(event(subject), NOW)
    for wanted in (Wanted(), Wanted(type="tested")):
        seen: list[tuple[int, int]] = []
        before: str | None = None
        while True:
            page, before = log.page(wanted, 5, before=before)
            seen += [(one.entry.chain, one.entry.sequence) for one in page]
            if before is None:
                break
        assert seen == sorted(((chain, n) for chain in range(CHAINS) for n in (1, 2, 3)), reverse=True)
