"""Filling the market at the start: the first request of anybody makes the product fetch; here it is ours."""

from __future__ import annotations

import time
from typing import Any

import httpx

from infra.local.trouble import Trouble

WITHIN_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2


def fill(base_url: str, *, live: bool = False) -> str:
    """Return what there is to rent once every provider has been asked.

    Raises Trouble when nothing comes; with `live` providers that is for the reader to see, not ours to mend.
    """
    with httpx.Client(base_url=base_url, timeout=30, trust_env=False) as http:
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            page = _page(http)
            asked = [part for part in page["providers"] if part["status"] != "never"]
            if (page["total"] or live) and len(asked) == len(page["providers"]):
                return f"{page['total']:,} offers of {len(asked)} providers"
            if time.monotonic() > deadline:
                if page["total"]:
                    return f"{page['total']:,} offers, {len(page['providers']) - len(asked)} providers still to answer"
                raise Trouble(
                    f"No provider gave an offer within {WITHIN_SECONDS:.0f} s.", "See .local/logs/engine.log."
                )
            time.sleep(LOOK_EVERY_SECONDS)


def _page(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/api/v2/providers", params={"per_page": 1})
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        time.sleep(float(answer.headers.get("Retry-After", "1")))
        return _page(http)
    if not answer.is_success:
        raise Trouble(f"GET /api/v2/providers answered {answer.status_code}: {answer.text[:300]}", "See .local/logs.")
    page: dict[str, Any] = answer.json()
    return page
