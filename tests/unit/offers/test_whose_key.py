"""Whose key a provider is asked with, and that rotating one costs no call. R9.1-R9.3, R9.5 (226-228, 230)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gpubroker.offers import errors
from gpubroker.offers.credentials import (
    ABSENT,
    AT_MOST,
    FRESH,
    CallerKeys,
    CredentialsUnavailable,
    ProviderKeys,
)
from gpubroker.offers.instances import accounts, registry
from gpubroker.offers.providers.registry import Outcome
from gpubroker.offers.rotation import Renewing
from tests.unit.offers.making import NOW as AT_MOMENT


class Vault:
    """Secrets by name, a clock, and how often each was read."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {"platform": json.dumps({"vastai": "platform-1", "runpod": "platform-r"})}
        self.away = False
        self.reads: list[str] = []
        self.now = 1000.0
        self.platform = ProviderKeys(lambda: self.read("platform") or "{}", clock=lambda: self.now)
        self.callers = CallerKeys("keys", self.read, clock=lambda: self.now)

    def read(self, name: str) -> str | None:
        self.reads.append(name)
        if self.away:
            raise TimeoutError
        return self.secrets.get(name)

    def put(self, tenant: str, slug: str, key: Any) -> None:
        self.secrets[f"keys/{tenant}/{slug}"] = json.dumps({"key": key})

    def rotate_platform(self, key: str) -> None:
        self.secrets["platform"] = json.dumps({"vastai": key, "runpod": "platform-r"})


class Account:
    """A provider that takes the keys it is told to."""

    def __init__(self, key: Any, good: set[Any], asked: list[Any]) -> None:
        self._key, self._good, self._asked = key, good, asked

    def create(self, order: Any) -> str:
        self._asked.append(self._key)
        if self._key not in self._good:
            raise errors.BadCredentials("vastai", "answered 401")
        return f"made with {self._key}"


class Provider:
    def __init__(self) -> None:
        self.good: set[Any] = set()
        self.asked: list[Any] = []


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    ready = Vault()
    monkeypatch.setattr(accounts, "platform_keys", lambda: ready.platform)
    monkeypatch.setattr(accounts, "caller_keys", lambda: ready.callers)
    return ready


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    ready = Provider()
    monkeypatch.setattr(registry, "instances_of", lambda slug, key: Account(key, ready.good, ready.asked))
    return ready


def create(tenant: str | None = None) -> Any:
    order: Any = None
    return accounts.asked("vastai", tenant, lambda api: api.create(order))


# ------------------------------------------------------------------ whose


def test_a_tenant_is_asked_for_with_their_own_key_and_the_platform_with_its_own(
    vault: Vault, provider: Provider
) -> None:
    vault.put("ada", "vastai", "adas")
    provider.good = {"adas", "platform-1"}
    assert (create("ada"), create(None)) == ("made with adas", "made with platform-1")


def test_a_tenant_without_a_key_never_ends_up_in_the_platforms_account(vault: Vault, provider: Provider) -> None:
    provider.good = {"platform-1"}
    vault.put("eve", "vastai", "eves")
    for tenant in ("ada", ""):
        with pytest.raises(errors.BadCredentials):
            create(tenant)
    assert provider.asked == []


# ------------------------------------------------------------------ rotation


@pytest.mark.parametrize("tenant", [None, "ada"], ids=["platform", "caller"])
def test_whoever_remembers_the_old_key_finds_the_new_one_when_the_old_is_refused(
    vault: Vault, provider: Provider, tenant: str | None
) -> None:
    rotate: Callable[[str], None] = vault.rotate_platform if tenant is None else lambda k: vault.put("ada", "vastai", k)
    rotate("one")
    provider.good = {"one"}
    assert create(tenant) == "made with one"
    rotate("two")
    provider.good = {"one", "two"}  # both hold: nobody needs to notice
    assert create(tenant) == "made with one"
    provider.good = {"two"}
    assert create(tenant) == "made with two"  # in the very call that the old key was refused in
    assert create(tenant) == "made with two"
    assert provider.asked == ["one", "one", "one", "two", "two"]


def test_a_key_that_stays_wrong_is_not_read_again_by_every_call(vault: Vault, provider: Provider) -> None:
    for _ in range(50):
        with pytest.raises(errors.BadCredentials):
            create()
    assert vault.reads == ["platform"] * 2
    assert len(provider.asked) == 50  # and never tried twice in a call: it is the same key


def test_a_second_rotation_soon_after_the_first_is_noticed_within_the_quarter_minute(
    vault: Vault, provider: Provider
) -> None:
    provider.good = {"platform-1"}
    create()
    for key in ("two", "three"):
        vault.rotate_platform(key)
        provider.good = {key}
        vault.now += 16
        assert create() == f"made with {key}"


# ------------------------------------------------------------------ remembered


def test_callers_keys_are_read_once_kept_for_minutes_and_used_for_an_hour_at_most(vault: Vault) -> None:
    vault.put("ada", "vastai", {"client_id": "a", "client_secret": "b"})
    key = vault.callers.get("ada", "vastai")
    assert key == {"client_id": "a", "client_secret": "b"}
    vault.now += FRESH - 1
    vault.callers.get("ada", "vastai")
    assert vault.reads == ["keys/ada/vastai"]
    vault.away = True
    vault.now += AT_MOST - FRESH
    assert vault.callers.get("ada", "vastai") == key
    vault.now += 20
    with pytest.raises(CredentialsUnavailable):
        vault.callers.get("ada", "vastai")


def test_that_there_is_no_key_is_remembered_briefly(vault: Vault) -> None:
    assert vault.callers.get("ada", "vastai") is None
    vault.put("ada", "vastai", "adas")
    vault.now += ABSENT - 1
    assert vault.callers.get("ada", "vastai") is None
    vault.now += 2
    assert vault.callers.get("ada", "vastai") == "adas"


def test_with_the_vault_away_from_the_start_a_call_may_be_tried_again(vault: Vault, provider: Provider) -> None:
    vault.away = True
    for tenant in (None, "ada"):
        with pytest.raises(errors.ProviderUnavailable):
            create(tenant)


def test_of_many_tenants_those_seldom_seen_are_forgotten(vault: Vault) -> None:
    for number in range(1001):
        vault.callers.get(f"t{number}", "vastai")
    vault.reads.clear()
    vault.callers.get("t1000", "vastai")
    vault.callers.get("t0", "vastai")
    assert vault.reads == ["keys/t0/vastai"]


def test_no_text_of_them_holds_a_key(vault: Vault) -> None:  # R9.4 (229)
    vault.put("ada", "vastai", "adas-key")
    vault.callers.get("ada", "vastai")
    kept = vault.callers._of("ada", "vastai")
    assert "adas-key" not in f"{vault.callers!r} {vault.callers} {kept!r} {kept}"


# ------------------------------------------------------------------ the sync


class Fetcher:
    """Tells prices to those who have the key of the moment."""

    def __init__(self, good: str) -> None:
        self.good = good
        self.rounds: list[dict[str, str]] = []

    def fetch_all(self, *, keys: Any, now: Any, slugs: Any, take: Any, usual: Any) -> None:
        asked = tuple(slugs)
        self.rounds.append({slug: keys.get(slug) for slug in asked})
        for slug in asked:
            take(self._outcome(slug, keys.get(slug)))

    def _outcome(self, slug: str, key: str | None) -> Outcome:
        error = None if slug != "vastai" or key == self.good else "BadCredentials"
        return Outcome(provider=slug, fetched_at=AT_MOMENT, duration=0.0, error=error)


def beat(
    vault: Vault, fetcher: Fetcher, slugs: tuple[str, ...] = ("runpod", "vastai"), held: Any = None
) -> dict[str, Outcome]:
    """What was taken, each provider once."""
    taken: list[Outcome] = []
    keys = dict(vault.platform) if held is None else held
    renewing = Renewing(fetcher, vault.platform)
    renewing.fetch_all(keys=keys, now=lambda: AT_MOMENT, slugs=slugs, take=taken.append, usual={})
    assert sorted(outcome.provider for outcome in taken) == sorted(slugs)
    return {outcome.provider: outcome for outcome in taken}


def test_a_beat_of_the_sync_survives_the_rotation_of_a_key_and_asks_nobody_else_twice(vault: Vault) -> None:
    fetcher = Fetcher("platform-1")
    assert all(outcome.ok for outcome in beat(vault, fetcher).values())
    vault.rotate_platform("platform-2")
    fetcher.good = "platform-2"
    assert all(outcome.ok for outcome in beat(vault, fetcher).values())
    assert fetcher.rounds[1:] == [
        {"runpod": "platform-r", "vastai": "platform-1"},
        {"vastai": "platform-2"},
    ]


def test_a_key_that_is_just_wrong_is_asked_with_once(vault: Vault) -> None:
    fetcher = Fetcher("another")
    for _ in range(3):
        assert beat(vault, fetcher)["vastai"].error == "BadCredentials"
    assert len(fetcher.rounds) == 3


def test_a_beat_goes_on_when_the_vault_is_away_in_the_moment_of_doubt(vault: Vault) -> None:
    fetcher = Fetcher("another")
    held = dict(vault.platform)
    vault.away = True
    vault.now += AT_MOST + 1
    outcomes = beat(vault, fetcher, ("vastai",), held)
    assert outcomes["vastai"].error == "BadCredentials"
