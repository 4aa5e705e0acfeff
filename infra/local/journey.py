"""The main job, as a person lives it: look at the market, choose, rent, connect, end, and see what it cost."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.local.trouble import Trouble
from infra.local.workflow_trace import WorkflowTrace

Say = Callable[[str], None]

WEIGHTS = {"price": 0.5, "performance": 0.2, "availability": 0.2, "latency": 0.1}
LOOK_EVERY_SECONDS = 0.15
WITHIN_SECONDS = 60.0
USE_SECONDS = 3.0
OVER = ("ended", "failed")


def play(environment: dict[str, Any], *, say: Say = print) -> dict[str, Any]:
    """Play it against a running cloud, a line for everything that happens; returns the rental as it ended.

    Raises Trouble naming the step that did not work. With live providers it stops before renting: no keys, no rental.
    """
    with httpx.Client(base_url=environment["base_url"], timeout=30, trust_env=False) as http:
        person = _Person(http, environment, say)
        offers = person.look_at_the_market()
        if environment.get("live") and not offers:
            person.say("None of the real providers answered from here; without LIVE=1 the simulated ones do.")
            return {}
        offer = person.choose()
        if environment.get("live"):
            person.say("Renting needs a key at the provider; live prices are as far as one gets without.")
            return {}
        rental = person.rent(offer)
        person.stay(rental)
        return person.leave(rental)


class _Person:
    """Somebody with a pro plan, and a stop watch."""

    def __init__(self, http: httpx.Client, environment: dict[str, Any], say: Say) -> None:
        self._http = http
        self._token = {"Authorization": f"Bearer {environment['credentials']['pro']['token']}"}
        self._trace = WorkflowTrace(environment["aws_endpoint_url"])
        self._live = bool(environment.get("live"))
        self._print = say
        self._started = time.perf_counter()

    def say(self, text: str) -> None:
        self._print(f"  {time.perf_counter() - self._started:5.1f} s  {text}")

    def title(self, text: str) -> None:
        self._print(f"\n{text}")

    # ------------------------------------------------------------ the steps

    def look_at_the_market(self) -> int:
        """Say how many offers there are, and how fresh each provider's part is."""
        self.title("The market")
        page = self._ask("GET", "/api/v2/providers", params={"per_page": 1})
        providers = page["providers"]
        self.say(f"{page['total']:,} offers of {len(providers)} providers")
        silent = any(part["missing"] for part in providers)
        health = self._ask("GET", "/api/v2/providers/health")["providers"] if silent else []
        why = {part["provider"]: part["error"] for part in health}
        for part in sorted(providers, key=lambda part: str(part["provider"])):
            self.say(f"  {_freshness(part, why.get(part['provider']))}")
        return int(page["total"])

    def choose(self) -> dict[str, Any]:
        """The cheapest H100 that can be had, and the best one for several wishes at once, which is rented."""
        self.title("Choosing an H100")
        wanted: dict[str, Any] = {"gpu": "H100", "availability": "available", "limit": 1}
        if not self._live:
            wanted["rentable"] = "true"
        cheapest = _first(self._ask("GET", "/api/v2/providers", params=wanted | {"sort": "price"})["offers"])
        self.say(f"cheapest:       {_offer(cheapest)}")
        weights = ",".join(f"{name}:{weight}" for name, weight in WEIGHTS.items())
        query = wanted | {"method": "topsis", "weights": weights}
        ranked = self._ask("GET", "/api/v2/providers/ranking", params=query)
        best = _first(ranked["ranking"])
        offer: dict[str, Any] = best["offer"]
        self.say(f"best by TOPSIS: {_offer(offer)}")
        self.say(f"  of {ranked['total']} by {weights}")
        self.say(f"  {best['explanation']}")
        return offer

    def rent(self, offer: dict[str, Any]) -> dict[str, Any]:
        self.title("Renting it")
        answer = self._send(
            "POST",
            "/api/v2/rentals/provision",
            json={
                "offer_id": offer["offer_id"],
                "duration_hours": 1,
                "max_total_price": offer["price_per_hour"],
                "ssh_public_key": _throwaway_key(),
            },
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        rental: dict[str, Any] = answer.json()
        self.say(f"{answer.status_code} {rental['rental_id']} {rental['status']}; look at {answer.headers['location']}")
        self.say(f"${rental['held']:,.4f} are held of the ${self._balance()['posted']:,.4f} on the account")
        rental = self._watch(rental, until=("ready", *OVER))
        if rental["status"] != "ready":
            raise Trouble(f"The rental became {rental['status']}: {rental.get('failure')}.", "See .local/logs.")
        return rental

    def stay(self, rental: dict[str, Any]) -> None:
        self.title("Connecting")
        connection = rental["connection"] or {}
        if ssh := connection.get("ssh"):
            self.say(ssh["command"])
        if jupyter := connection.get("jupyter_url"):
            self.say(jupyter)
        self.say(f"ready since {rental['ready_at']}, ends by itself at {rental['ends_at']}")
        self.say(f"using it for {USE_SECONDS:.0f} s")
        time.sleep(USE_SECONDS)

    def leave(self, rental: dict[str, Any]) -> dict[str, Any]:
        self.title("Ending it")
        before = self._balance()["posted_micros"]
        asked = self._send("DELETE", f"/api/v2/rentals/{rental['rental_id']}")
        self.say(f"{asked.status_code} end asked for")
        rental = self._watch(rental, until=OVER)
        seconds = sum(member["charged_seconds"] for member in rental["members"])
        self.say(
            f"final cost ${rental['final_cost']:.6f} for {seconds} s at"
            f" ${rental['members'][0]['price_per_hour']:.4f} an hour ({rental['final_cost_micros']} micro-dollars)"
        )
        balance = self._balance()
        paid = before - balance["posted_micros"]
        self.say(f"{paid} micro-dollars left the account; ${balance['available']:,.6f} are available")
        return rental

    # ------------------------------------------------------------ how

    def _watch(self, rental: dict[str, Any], *, until: tuple[str, ...]) -> dict[str, Any]:
        """Say each new status and each state of the workflow until the rental has one of these statuses."""
        deadline = time.monotonic() + WITHIN_SECONDS
        status, operation = rental["status"], None
        members = {member["member_id"]: member["status"] for member in rental["members"]}
        while True:
            rental = self._ask("GET", f"/api/v2/rentals/{rental['rental_id']}")
            operation = (rental["operation"] or {}).get("operation_id", operation)
            for state in self._trace.states(operation) if operation else []:
                self.say(f"workflow {state}")
            for member in rental["members"]:
                if members.get(member["member_id"]) != member["status"]:
                    members[member["member_id"]] = member["status"]
                    self.say(f"instance {member['status']}")
            if rental["status"] != status:
                status = rental["status"]
                self.say(f"rental   {status}")
            if status in until:
                return rental
            if time.monotonic() > deadline:
                raise Trouble(f"The rental is still {status} after {WITHIN_SECONDS:.0f} s.", "See .local/logs.")
            time.sleep(LOOK_EVERY_SECONDS)

    def _balance(self) -> dict[str, Any]:
        balance: dict[str, Any] = self._ask("GET", "/api/v1/accounts/me/balance")
        return balance

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        return self._send(method, path, **more).json()

    def _send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, headers=self._token | (headers or {}), **more)
        except httpx.TransportError as error:
            raise Trouble(f"{method} {path} got no answer ({error!r}).", "Is it running? `make status`.") from error
        if not answer.is_success:
            raise Trouble(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}", "See .local/logs.")
        return answer


def next_steps(environment: dict[str, Any]) -> str:
    """Lines to paste into a second terminal."""
    base, key = environment["base_url"], environment["credentials"]["pro"]["api_key"]
    lines = [
        f"\nServing on {base} until Ctrl-C. Try next:",
        f"  open {base}/docs",
        f"  curl '{base}/api/v2/providers?gpu=A100&max_price=2.0&per_page=3'",
        f"  KEY={key}",
        f"  curl -H \"X-API-Key: $KEY\" '{base}/api/v2/providers/ranking?method=pareto&gpu=H100&limit=3'",
        f'  curl -H "X-API-Key: $KEY" {base}/api/v2/rentals',
    ]
    if not environment.get("live"):
        prices = f"{environment['providers_url']}/_control/prices"
        lines += [
            "  and let a provider change its prices, to see them arrive within 20 s:",
            f"""  curl -d '{{"provider": "vastai", "gpu": "H100", "factor": 0.5}}' {prices}""",
        ]
    return "\n".join(lines)


def _throwaway_key() -> str:
    """A public key whose private half nobody keeps: the simulated machine is not logged in to."""
    public = Ed25519PrivateKey.generate().public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _offer(offer: dict[str, Any]) -> str:
    return (
        f"{offer['gpu_count']}x {offer['gpu_model']} at {offer['provider']} in {offer['region']},"
        f" ${offer['price_per_gpu_hour']:.4f} per GPU-hour ({offer['offer_id']})"
    )


def _first(offers: list[dict[str, Any]]) -> dict[str, Any]:
    if not offers:
        raise Trouble("There is no such offer in the market right now.", "Try again in a minute.")
    return offers[0]


def _freshness(part: dict[str, Any], why: str | None) -> str:
    """One provider's part of the market: how many offers, how old, and what is wrong with it."""
    if part["missing"]:
        return f"{part['provider']:<15} gave no answer: {why or part['status']}"
    stale = "  STALE" if part["stale"] else ""
    return f"{part['provider']:<15} {part['offers']:>5,} offers, {part['age_seconds']:.0f} s old{stale}"
