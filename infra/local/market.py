"""Filling the market at the start: the workflow that the schedule starts every minute, a minute early."""

from __future__ import annotations

import time
from typing import Any

import httpx

from infra.local import aws
from infra.local.trouble import Trouble

WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2


def start_first_minute(endpoint_url: str, nested: dict[str, dict[str, str]]) -> None:
    """A new schedule starts its first run a minute after it was made; until then its workflow is started from here."""
    machine = nested.get("Offers", {}).get("BeatToSyncedStateMachineArn")
    if machine:
        aws.client("stepfunctions", endpoint_url).start_execution(stateMachineArn=machine, input="{}")


def fill(base_url: str, *, live: bool = False) -> str:
    """Return what there is to rent once every provider has been asked.

    Raises Trouble when nothing comes; with `live` providers that is for the reader to see, not ours to mend.
    """
    with httpx.Client(base_url=base_url, timeout=30, trust_env=False) as http:
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            page = _page(http)
            unasked = sum(part["status"] == "never" for part in page["providers"])
            if page["providers"] and not unasked and (page["total"] or live):
                return f"{page['total']:,} offers of {len(page['providers'])} providers"
            if time.monotonic() > deadline:
                if page["total"] or live:
                    return f"{page['total']:,} offers, {unasked} providers still to answer"
                raise Trouble(f"No provider gave an offer in {WITHIN_SECONDS:.0f} s.", "See .local/logs/engine.log.")
            time.sleep(LOOK_EVERY_SECONDS)


def _page(http: httpx.Client) -> dict[str, Any]:
    """The first page; an empty one while there is nothing yet (503) or we ask too often (429)."""
    answer = http.get("/api/v2/providers", params={"per_page": 1})
    if answer.status_code in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return {"total": 0, "providers": []}
    if not answer.is_success:
        raise Trouble(f"GET /api/v2/providers answered {answer.status_code}: {answer.text[:300]}", "See .local/logs.")
    page: dict[str, Any] = answer.json()
    return page
