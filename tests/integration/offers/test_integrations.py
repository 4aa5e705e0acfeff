"""Keys of one's own against simulated providers, DynamoDB and Secrets Manager. R9.4, R9.5 (229, 230), 275, 340, 341."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError

from gpubroker.kernel.caller import Caller, Plan, Role
from gpubroker.kernel.errors import Invalid, NotFound, Problem, Unavailable
from gpubroker.kernel.idempotency import Idempotency
from gpubroker.offers import credentials
from gpubroker.offers.instances import registry
from gpubroker.offers.integrations import check, store, use_cases, vault
from gpubroker.offers.integrations.requests import IntegrationRequest
from gpubroker.offers.integrations.store import IntegrationBusy, IntegrationItem, Use
from gpubroker.offers.integrations.use_cases import IntegrationInUse, OtherAccount
from gpubroker.offers.integrations.views import IntegrationsView, IntegrationView
from gpubroker.storage.idempotency import KeyReused
from gpubroker.storage.throttle import TooManyAttempts
from gpubroker.storage.transaction import transaction
from infra.local.providers.keys import CUSTOMER, PLATFORM, local_keys
from tests.contract.simulation import Simulation, served

ADA = Caller(Role.USER, "usr_ada", "usr_ada", Plan.ENTERPRISE, address="203.0.113.7")
EVE = Caller(Role.USER, "usr_eve", "usr_eve", Plan.FREE, address="203.0.113.8")
GOOD, OTHER = local_keys(CUSTOMER)["vastai"], local_keys(PLATFORM)["vastai"]
NOW = datetime(2026, 5, 24, 10, 0, 0, tzinfo=UTC)


@dataclass
class Desk:
    """The use cases as their functions call them, a table, a vault, and what came of them."""

    table: Any
    simulation: Simulation
    now: datetime = NOW
    calls: list[str] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    cut: tuple[int, bool] | None = None

    def save(
        self, key: Any = GOOD, provider: str = "vastai", caller: Caller = ADA, again: Idempotency | None = None
    ) -> tuple[IntegrationView, bool]:
        given = {"api_key": key} if isinstance(key, str) else {"credentials": key}
        wanted = IntegrationRequest.model_validate_json(json.dumps({"provider": provider} | given))
        return use_cases.save(caller, wanted, again, self.now)

    def remove(self, provider: str = "vastai", caller: Caller = ADA) -> None:
        use_cases.remove(caller, provider, self.now)

    def shown(self, caller: Caller = ADA) -> list[IntegrationView]:
        return IntegrationsView.of(store.all_of(caller.tenant), self.now.timestamp()).integrations

    def kept(self, provider: str = "vastai", caller: Caller = ADA) -> Any:
        """The key in Secrets Manager, None where there is none."""
        return vault.current(caller.tenant, provider)

    def facts(self, caller: Caller = ADA) -> list[str]:
        items = [item for item in self.table.scan()["Items"] if item["pk"].startswith("OUTBOX#")]
        found = sorted((json.loads(item["event"]) for item in items), key=lambda one: one["id"])
        return [one["type"] for one in found if one["data"]["user_id"] == caller.tenant]

    def use(self, rental_id: str, label: str, caller: Caller = ADA) -> None:
        with transaction(IntegrationItem) as tx:
            store.note_use(tx, caller.tenant, "vastai", Use(rental_id, label), lost=NotFound())

    def release(self, rental_id: str) -> None:
        with transaction(IntegrationItem) as tx:
            store.forget_use(tx, ADA.tenant, "vastai", rental_id)

    def instance(self, label: str, account: str = CUSTOMER) -> str:
        told = self.simulation.control("POST", "orphans", provider="vastai", account=account, label=label)
        return str(told["instance_id"])

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture(scope="module")
def providers() -> Iterator[Simulation]:
    with served() as simulation:
        yield simulation


@pytest.fixture
def desk(make_table: Callable[[str], Any], providers: Simulation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    providers.control("POST", "reset")
    monkeypatch.setenv("PROVIDERS_URL", providers.url)
    monkeypatch.setenv("INTEGRATION_SECRETS", "gpubroker/integrations")
    caches = (credentials.secrets_manager, credentials.caller_keys, check._fetcher)
    for cache in caches:
        cache.cache_clear()
    ready = Desk(make_table("offers"), providers)
    real = BaseClient._make_api_call

    def watched(client: Any, operation: str, arguments: Any) -> Any:
        cut = ready.cut if ready.cut and len(ready.calls) == ready.cut[0] else None
        ready.calls.append(operation)
        if cut:
            with suppress(ClientError):  # whatever the answer would have been, nobody hears it
                if cut[1]:
                    real(client, operation, arguments)
            raise Killed
        if failure := ready.failing.get(operation):
            raise failure
        return real(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", watched)
    with httpx.Client(trust_env=False) as client:
        monkeypatch.setattr(registry, "_client", lambda local: client)
        yield ready
    if check._fetcher.cache_info().currsize:
        check._fetcher().close()
    for cache in caches:
        cache.cache_clear()


class Killed(BaseException):
    """The function's time ran out."""


AWAY = EndpointConnectionError(endpoint_url="https://secretsmanager.example")


# ------------------------------------------------------------------ saving


def test_a_key_is_verified_kept_under_its_tenants_path_and_known_without_itself(desk: Desk) -> None:
    view, fresh = desk.save()
    assert fresh
    assert (view.provider, view.status, view.rotated_at) == ("vastai", "active", None)
    assert desk.shown() == [view]
    names = [one["Name"] for one in boto3.client("secretsmanager").list_secrets()["SecretList"]]
    assert names == ["gpubroker/integrations/usr_ada/vastai"]
    assert desk.kept() == GOOD
    assert desk.facts() == ["IntegrationSaved"]
    assert GOOD not in json.dumps(desk.table.scan(), default=str)


def test_everybody_has_their_own(desk: Desk) -> None:
    desk.save()
    assert (desk.shown(EVE), desk.kept(caller=EVE)) == ([], None)
    desk.remove(caller=EVE)  # hers, which she has not
    assert desk.kept() == GOOD
    mine, _ = desk.save(caller=EVE)
    assert mine.fingerprint != desk.shown(ADA)[0].fingerprint  # the same key, and nobody can see that it is


@pytest.mark.parametrize(
    ("provider", "key"),
    [(slug, key) for slug, key in local_keys(CUSTOMER).items() if check.takes_a_key(slug)],
    ids=lambda value: value if isinstance(value, str) else "parts",
)
def test_every_provider_that_takes_a_key_is_asked_with_it(desk: Desk, provider: str, key: Any) -> None:
    assert desk.save(key, provider)[0].status == "active"
    bad = dict.fromkeys(key, "wrong") if isinstance(key, dict) else "wrong"
    with pytest.raises(Invalid) as refused:
        desk.save(bad, provider)
    assert refused.value.fields[0].field == ("credentials" if isinstance(key, dict) else "api_key")
    assert desk.kept(provider) == key


def test_a_wrong_key_leaves_nothing_behind(desk: Desk) -> None:
    with pytest.raises(Invalid):
        desk.save("a-key-that-is-none")
    assert (desk.shown(), desk.kept(), desk.facts()) == ([], None, [])


@pytest.mark.parametrize(
    ("provider", "given", "field"),
    [
        ("azure", {"api_key": "x"}, "provider"),  # its prices are public, and nothing is rented there
        ("nobody", {"api_key": "x"}, "provider"),
        ("vastai", {"credentials": {"client_id": "a"}}, "credentials"),
        ("verda", {"api_key": "x"}, "api_key"),
        ("verda", {"credentials": {"client_id": "a"}}, "credentials"),
        ("verda", {"credentials": {"client_id": "a", "client_secret": "b", "more": "c"}}, "credentials"),
    ],
)
def test_what_a_provider_has_no_use_for_is_refused_before_anybody_is_asked(
    desk: Desk, provider: str, given: dict[str, Any], field: str
) -> None:
    wanted = IntegrationRequest.model_validate_json(json.dumps({"provider": provider} | given))
    with pytest.raises(Invalid) as refused:
        use_cases.save(ADA, wanted, None, NOW)
    assert refused.value.fields[0].field == field
    assert desk.simulation.control("GET", "calls") == {}


@pytest.mark.parametrize(
    ("kind", "more"),
    [("status", {"status": 503}), ("rate_limit", {"retry_after": 7}), ("malformed", {}), ("html", {}), ("cut", {})],
)
def test_while_a_provider_cannot_tell_nothing_is_saved(desk: Desk, kind: str, more: dict[str, Any]) -> None:
    desk.simulation.fault(kind, "vastai", **more)
    with pytest.raises(Unavailable) as away:
        desk.save()
    assert away.value.retry_after == more.get("retry_after", 30)
    assert (desk.shown(), desk.kept()) == ([], None)


@pytest.mark.parametrize("provider", ["vastai", "hyperstack"])
def test_a_provider_that_hangs_is_waited_for_so_long_and_no_longer(
    desk: Desk, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "PATIENCE_S", 0.3)
    desk.simulation.fault("hang", provider, seconds=20)
    with pytest.raises(Unavailable):
        desk.save(local_keys(CUSTOMER)[provider], provider)
    desk.simulation.control("DELETE", "faults")


# ------------------------------------------------------------------ again, and another


def test_the_same_key_again_is_verified_again_and_no_news(desk: Desk) -> None:
    first, _ = desk.save()
    desk.later(hours=1)
    desk.calls.clear()
    second, fresh = desk.save()
    assert not fresh
    assert (second.fingerprint, second.created_at, second.rotated_at) == (first.fingerprint, first.created_at, None)
    assert second.verified_at != first.verified_at
    assert desk.facts() == ["IntegrationSaved"]
    assert not {"PutSecretValue", "CreateSecret"} & set(desk.calls)


def test_another_key_takes_its_place_and_the_one_before_stays_to_go_back_to(desk: Desk) -> None:
    first, _ = desk.save()
    desk.later(hours=1)
    second, fresh = desk.save(OTHER)
    assert not fresh
    assert second.integration_id == first.integration_id
    assert second.fingerprint != first.fingerprint
    assert second.rotated_at == "2026-05-24T11:00:00.000Z"
    assert desk.facts() == ["IntegrationSaved", "IntegrationRotated"]
    previous = boto3.client("secretsmanager").get_secret_value(
        SecretId="gpubroker/integrations/usr_ada/vastai", VersionStage="AWSPREVIOUS"
    )
    assert (desk.kept(), json.loads(previous["SecretString"])["key"]) == (OTHER, GOOD)


def test_a_repeated_request_is_answered_as_the_first_and_does_nothing(desk: Desk) -> None:
    once = Idempotency.of("once", tenant=ADA.tenant, route="POST /x", body=GOOD.encode())
    first = desk.save(again=once)
    desk.later(minutes=1)
    desk.calls.clear()
    assert desk.save(again=once) == first
    assert desk.facts() == ["IntegrationSaved"]
    assert not {"PutSecretValue", "CreateSecret"} & set(desk.calls)
    with pytest.raises(KeyReused):
        desk.save(OTHER, again=replace(once, fingerprint="another"))
    stored = json.dumps(desk.table.scan(), default=str)
    assert once.fingerprint not in stored  # a plain digest of a body with a key in it could be tried out


def test_two_at_once_do_not_mix_their_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = vault.put

    def put(*given: Any) -> None:
        with pytest.raises(IntegrationBusy):  # the second comes while the first holds it
            desk.save(OTHER)
        real(*given)

    monkeypatch.setattr(vault, "put", put)
    view, _ = desk.save()
    assert (desk.kept(), view.fingerprint) == (GOOD, vault.fingerprint(ADA.tenant, "vastai", GOOD))


# ------------------------------------------------------------------ cut off, and away


def _new(desk: Desk, caller: Caller) -> None:
    desk.save(caller=caller)


def _rotated(desk: Desk, caller: Caller) -> None:
    desk.save(OTHER, caller=caller)


def _removed(desk: Desk, caller: Caller) -> None:
    desk.remove(caller=caller)


CHANGES: dict[Callable[[Desk, Caller], None], tuple[str | None, list[str]]] = {
    _new: (GOOD, ["IntegrationSaved"]),
    _rotated: (OTHER, ["IntegrationSaved", "IntegrationRotated"]),
    _removed: (None, ["IntegrationSaved", "IntegrationRemoved"]),
}


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_cut_off_at_any_call_doing_it_again_puts_everything_right_and_tells_it_once(
    desk: Desk, change: Callable[[Desk, Caller], None], after: bool
) -> None:
    expected, facts = CHANGES[change]
    for number in itertools.count():
        caller = replace(ADA, tenant=f"usr_{number}", address=f"203.0.113.{number}")
        if change is not _new:
            desk.save(caller=caller)
        desk.calls.clear()
        desk.cut = (number, after)
        try:
            change(desk, caller)
        except Killed:
            desk.cut = None
            desk.later(seconds=46)
            change(desk, caller)
        else:
            break  # it makes no further calls
        finally:
            desk.cut = None
        assert desk.kept(caller=caller) == expected, number
        shown = desk.shown(caller)
        assert [one.status for one in shown] == (["active"] if expected else []), number
        if expected:
            assert shown[0].fingerprint == vault.fingerprint(caller.tenant, "vastai", expected), number
        assert sorted(desk.facts(caller)) == sorted(facts), number
    assert number >= 4


@pytest.mark.parametrize("operation", ["PutSecretValue", "CreateSecret"])
def test_cut_off_before_it_is_settled_a_new_key_is_of_no_use_until_it_is_saved_again(
    desk: Desk, operation: str
) -> None:
    desk.failing[operation] = Killed()  # type: ignore[assignment]
    with pytest.raises(Killed):
        desk.save()
    desk.failing.clear()
    assert [one.status for one in desk.shown()] == ["saving"]
    assert desk.facts() == []
    with pytest.raises(NotFound):  # no rental can take it
        desk.use("ren_1", "gpb-x-1-")
    desk.later(seconds=46)
    assert desk.save()[0].status == "active"
    assert (desk.kept(), desk.facts()) == (GOOD, ["IntegrationSaved"])


def test_cut_off_after_the_secret_was_changed_the_item_says_so_and_a_save_puts_it_right(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save()
    real = vault.put

    def put(*given: Any) -> None:
        real(*given)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(vault, "put", put)
        with pytest.raises(Killed):
            desk.save(OTHER)
    with pytest.raises(IntegrationBusy):
        desk.save(OTHER)
    desk.later(seconds=46)
    assert [one.status for one in desk.shown()] == ["interrupted"]
    assert desk.facts() == ["IntegrationSaved"]
    again, _ = desk.save(GOOD)  # what the item still says: the secret is put right all the same
    assert (desk.kept(), again.status) == (GOOD, "active")
    rotated, _ = desk.save(OTHER)
    assert (desk.kept(), rotated.status) == (OTHER, "active")
    assert desk.facts() == ["IntegrationSaved", "IntegrationRotated"]


def test_with_secrets_manager_away_nothing_changes_and_the_next_try_may_come_at_once(desk: Desk) -> None:
    desk.save()
    desk.failing["PutSecretValue"] = AWAY
    with pytest.raises(Unavailable) as away:
        desk.save(OTHER)
    assert away.value.retry_after == 30
    assert desk.kept() == GOOD
    desk.failing.clear()
    desk.later(seconds=1)
    assert desk.save(OTHER)[0].status == "active"
    desk.failing["DeleteSecret"] = AWAY
    with pytest.raises(Unavailable):
        desk.remove()
    assert [one.status for one in desk.shown()] == ["removing"]
    desk.failing.clear()
    desk.later(seconds=1)
    desk.remove()
    assert (desk.shown(), desk.kept()) == ([], None)
    assert desk.facts() == ["IntegrationSaved", "IntegrationRotated", "IntegrationRemoved"]


def test_a_key_that_was_being_removed_can_be_saved_instead(desk: Desk) -> None:
    desk.save()
    desk.failing["DeleteSecret"] = AWAY
    with pytest.raises(Unavailable):
        desk.remove()
    desk.failing.clear()
    desk.later(seconds=1)
    assert desk.save()[0].status == "active"
    assert desk.facts() == ["IntegrationSaved"]


# ------------------------------------------------------------------ removing


def test_a_removed_key_is_gone_and_removing_it_again_is_harmless(desk: Desk) -> None:
    desk.save()
    desk.remove()
    desk.remove()
    assert (desk.shown(), desk.kept()) == ([], None)
    assert desk.facts() == ["IntegrationSaved", "IntegrationRemoved"]
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == []
    view, fresh = desk.save()
    assert fresh
    assert view.status == "active"


def test_a_key_that_rentals_run_on_stays_and_they_are_named(desk: Desk) -> None:
    desk.save()
    desk.use("ren_1", "gpb-x-1-")
    desk.use("ren_2", "gpb-x-2-")
    with pytest.raises(IntegrationInUse) as refused:
        desk.remove()
    assert refused.value.extras["rentals"] == ["ren_1", "ren_2"]
    assert (desk.kept(), [one.status for one in desk.shown()]) == (GOOD, ["active"])
    desk.release("ren_1")
    desk.release("ren_2")
    desk.remove()
    assert desk.kept() is None


def test_a_rental_that_comes_in_the_moment_of_the_removal_either_keeps_the_key_or_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save()
    real = store.write

    def before_it(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(store, "write", real)
        desk.use("ren_1", "gpb-x-1-")  # just before it is marked
        return real(*given, **more)

    monkeypatch.setattr(store, "write", before_it)
    with pytest.raises(IntegrationInUse):
        desk.remove()
    assert (desk.kept(), [one.status for one in desk.shown()]) == (GOOD, ["active"])
    desk.release("ren_1")

    deleted = vault.delete

    def after_it(*given: Any) -> None:
        with pytest.raises(NotFound):
            desk.use("ren_2", "gpb-x-2-")  # just after
        deleted(*given)

    monkeypatch.setattr(vault, "delete", after_it)
    desk.remove()
    assert (desk.kept(), store.uses_of(ADA.tenant, "vastai")) == (None, [])


def test_a_provider_that_is_none_has_no_integration(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.remove("nobody")


# ------------------------------------------------------------------ while rentals run


def test_a_key_of_another_account_is_refused_while_rentals_run_on_the_one_before(desk: Desk) -> None:
    desk.save()
    desk.use("ren_1", "gpb-x-1-")
    desk.use("ren_2", "gpb-x-2-")
    desk.instance("gpb-x-1-m1")
    with pytest.raises(OtherAccount) as refused:
        desk.save(OTHER)
    assert refused.value.extras["rentals"] == ["ren_1"]
    assert desk.kept() == GOOD


def test_instances_of_other_labels_keep_nobody_from_changing_the_account(desk: Desk) -> None:
    desk.save()
    desk.use("ren_1", "gpb-x-1-")
    desk.instance("my own")
    assert desk.save(OTHER)[0].status == "active"


def test_a_key_that_is_refused_by_now_can_always_be_replaced(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save()
    desk.use("ren_1", "gpb-x-1-")
    desk.instance("gpb-x-1-m1")
    monkeypatch.setattr(vault, "current", lambda *_: "revoked-by-now")
    assert desk.save(OTHER)[0].status == "active"


def test_while_the_account_before_cannot_be_looked_at_the_key_is_not_changed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save()
    desk.use("ren_1", "gpb-x-1-")
    seen = check.instances_seen

    def half(provider: str, key: Any) -> Any:
        if key == GOOD:
            desk.simulation.fault("status", "vastai", status=503)
        return seen(provider, key)

    monkeypatch.setattr(check, "instances_seen", half)
    with pytest.raises(Unavailable):
        desk.save(OTHER)
    assert desk.kept() == GOOD


# ------------------------------------------------------------------ how often


def test_keys_cannot_be_tried_out_here(desk: Desk) -> None:
    for _ in range(use_cases.BY_TENANT.tries):
        with pytest.raises(Invalid):
            desk.save("found-somewhere")
    with pytest.raises(TooManyAttempts) as refused:
        desk.save("found-somewhere")
    assert refused.value.retry_after is not None
    with pytest.raises(TooManyAttempts):
        desk.remove()
    desk.save(caller=EVE)  # others are not held up
    desk.later(seconds=900)
    desk.save()


def test_every_refusal_is_a_problem_with_a_name_of_its_own() -> None:
    for kind in (IntegrationBusy, IntegrationInUse, OtherAccount):
        assert issubclass(kind, Problem)
        assert kind.code not in (Problem.code, "conflict")
