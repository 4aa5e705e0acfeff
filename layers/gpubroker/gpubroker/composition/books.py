"""The book with the real clock, and the jobs that keep the books."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpubroker.ledger.book import Book
    from gpubroker.ledger.sweeps import Swept
    from gpubroker.ledger.verification import Verdict


def book() -> "Book":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.book import Book

    return Book(clock=utc_now)


def release_expired() -> "Swept":
    from gpubroker.kernel.time import utc_now
    from gpubroker.ledger.sweeps import release_expired

    return release_expired(book(), utc_now)


def verify_shard(shard: int, begun_at: str, so_far: dict[str, Any] | None) -> dict[str, Any]:
    """A piece of a verification: its report, with what is needed to go on where `done` is false."""
    from gpubroker.kernel.time import parse_iso
    from gpubroker.ledger.verification import Report, verify

    report = Report.of(so_far) if so_far else Report(shard)
    return verify(report, begun_at=parse_iso(begun_at)).as_json()


def conclude_verification(reports: list[dict[str, Any]]) -> "Verdict":
    from gpubroker.ledger.items import REGISTER_SHARDS
    from gpubroker.ledger.verification import Report, conclude

    return conclude([Report.of(told) for told in reports if "shard" in told], shards=REGISTER_SHARDS)
