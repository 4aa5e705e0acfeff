"""The providers we rent at, over HTTP against the simulation: the life of an instance, and each way it fails.

Journey 4 (286, 289); what a create leaves behind when it fails is what the rentals' workflow relies on.
"""

import base64
import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gpubroker.composition import rentals as composition
from gpubroker.offers import errors
from gpubroker.offers.instances import (
    digitalocean,
    lambdalabs,
    linode,
    registry,
    runpod,
    shadeform,
    tensordock,
    vastai,
)
from gpubroker.offers.instances.exchange import Exchange
from gpubroker.offers.instances.port import InstanceApi, InstanceOrder, InstanceStatus
from gpubroker.offers.instances.registry import RENTABLE, instances_of
from gpubroker.offers.offer import Availability, Offer
from gpubroker.offers.providers.registry import Fetcher
from infra.local.providers.keys import CUSTOMER, local_keys, secrets_of

SLUGS = sorted(RENTABLE)

NO_PRICE_SHOWN = frozenset({"hyperstack", "latitude", "linode", "scaleway", "vultr"})
"""Providers whose instances do not tell what they cost."""

NO_WORD_AT_THE_END = frozenset(
    {"digitalocean", "hyperstack", "latitude", "linode", "runpod", "scaleway", "shadeform", "verda", "vultr"}
)
"""Providers that end an instance with a status: there is no body to spoil, or nobody needs it."""

KEYS_REGISTERED = ("digitalocean", "hyperstack", "lambdalabs", "latitude", "shadeform", "verda", "vultr")
"""Providers that take a registered key, not the key itself."""

DISK_BY_SIZE = ("tensordock", "vastai")
"""Providers that bill disk by its size, beyond what the listed price includes."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtests ada@example.com"


@pytest.fixture
def offer_of(simulation: Any) -> Callable[..., Offer]:
    """The cheapest rentable on-demand offer of a provider."""

    def cheapest(slug: str, *, spot: bool = False, gpus: int = 1) -> Offer:
        fetcher = Fetcher(simulation.url)
        outcome = fetcher.fetch_all(keys=local_keys(), now=lambda: datetime.now(UTC), slugs=[slug])[slug]
        fetcher.close()
        free = [
            offer
            for offer in outcome.offers or ()
            if offer.rentable
            and (offer.spot, offer.gpu_count) == (spot, gpus)
            and offer.availability is Availability.AVAILABLE
        ]
        return min(free, key=lambda offer: offer.price_micros_per_hour)

    return cheapest


@pytest.fixture
def api_of(simulation: Any) -> Callable[..., InstanceApi]:
    def api(slug: str, account: str = "platform") -> InstanceApi:
        return instances_of(slug, local_keys(account)[slug], providers_url=simulation.url)

    return api


@pytest.fixture
def impatient(simulation: Any) -> Iterator[Callable[[str], InstanceApi]]:
    """An api that waits half a second for an answer."""
    client = httpx.Client(timeout=0.5, trust_env=False)

    def api(slug: str) -> InstanceApi:
        _, headers, made = registry._KINDS[slug]
        key = local_keys()[slug]
        return made(Exchange(slug, f"{simulation.url}/{slug}", headers(key), client, deadline=0.5), key)

    yield api
    client.close()


@pytest.fixture(scope="module", autouse=True)
def _connections_closed() -> Iterator[None]:
    yield
    registry._client(True).close()
    registry._client.cache_clear()


def order(offer: Offer, label: str = "gpubroker-ren-1-0", **more: Any) -> InstanceOrder:
    return InstanceOrder(label=label, offer=offer, ssh_public_key=KEY, **more)


@pytest.mark.parametrize("slug", SLUGS)
def test_an_instance_is_created_boots_is_reached_and_ends(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    api, offer = api_of(slug), offer_of(slug)
    made = api.create(order(offer))
    assert (made.status, made.label) == (InstanceStatus.PENDING, "gpubroker-ren-1-0")

    seen = []
    for _ in range(8):
        current = api.get(made.instance_id)
        assert current is not None
        seen.append(current.native_status)
        if current.status is InstanceStatus.RUNNING:
            break
        assert current.ssh_host is None or current.status is InstanceStatus.PENDING
        simulation.clock.forward(0.5)
    assert current.status is InstanceStatus.RUNNING
    assert len(seen) > 3  # it took its time
    assert current.ssh_host
    assert current.ssh_host.startswith("203.0.113.")
    assert current.ssh_port
    assert current.ssh_user in ("root", "shadeform", "ubuntu", "user")
    if slug in NO_PRICE_SHOWN:
        assert current.price_micros_per_hour is None
    else:
        assert current.price_micros_per_hour == pytest.approx(offer.price_micros_per_hour, rel=1e-3, abs=10_000)

    assert [one.instance_id for one in api.find("gpubroker-ren-1-0")] == [made.instance_id]
    assert [one.instance_id for one in api.list()] == [made.instance_id]
    api.end(made.instance_id)
    assert api.find("gpubroker-ren-1-0") == api.list() == simulation.running(slug) == []
    after = api.get(made.instance_id)
    assert after is None or after.status is InstanceStatus.ENDED
    api.end(made.instance_id)  # ending twice is harmless


@pytest.mark.parametrize("slug", ["vastai", "runpod", "lambdalabs"])
def test_jupyter_is_handed_back_where_the_provider_has_it(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    api = api_of(slug)
    made = api.create(order(offer_of(slug)))
    simulation.clock.forward(5)
    running = api.get(made.instance_id)
    assert running is not None
    assert running.jupyter_url is not None
    assert running.jupyter_url.startswith("https://")
    assert "token=" in running.jupyter_url
    assert running.jupyter_url not in repr(running)


@pytest.mark.parametrize("slug", SLUGS)
def test_an_instance_nobody_knows_is_none_and_ending_it_is_success(
    api_of: Callable[..., InstanceApi], slug: str
) -> None:
    api = api_of(slug)
    for unknown in ("12345", "00000000-0000-4000-8000-000000000000" if slug in ("shadeform", "lambdalabs") else "777"):
        assert api.get(unknown) is None
        api.end(unknown)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("instance_id", ["../asks/1", "1/../../asks/1", "1?x=1", "", "٣"])
def test_an_id_can_not_become_another_path(
    simulation: Any, api_of: Callable[..., InstanceApi], slug: str, instance_id: str
) -> None:
    api = api_of(slug)
    assert api.get(instance_id) is None
    api.end(instance_id)
    assert slug not in simulation.control("GET", "calls")


@pytest.mark.parametrize("slug", SLUGS)
def test_what_is_taken_meanwhile_is_no_capacity_and_makes_nothing(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    offer = offer_of(slug)
    simulation.control("POST", "capacity", provider=slug, stock=0)
    with pytest.raises(errors.NoCapacity):
        api_of(slug).create(order(offer))
    assert simulation.running(slug) == []


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize(
    ("kind", "told", "error"),
    [
        ("status", {"status": 500}, errors.ProviderUnavailable),
        ("html", {}, errors.ProviderUnavailable),
        ("cut", {}, errors.ProviderUnavailable),
        ("reset", {}, errors.ProviderUnavailable),
        ("rate_limit", {"retry_after": 12}, errors.RateLimited),
        ("unauthorized", {}, errors.BadCredentials),
        ("page", {}, errors.UnknownAnswer),
        ("malformed", {}, errors.UnknownAnswer),
        ("status", {"status": 418}, errors.UnknownAnswer),
    ],
    ids=str,
)
def test_every_fault_at_every_call_is_one_of_the_known_errors(
    simulation: Any,
    api_of: Callable[..., InstanceApi],
    offer_of: Callable[..., Offer],
    slug: str,
    kind: str,
    told: dict[str, Any],
    error: type[errors.ProviderError],
) -> None:
    api, offer = api_of(slug), offer_of(slug)
    made = api.create(order(offer, "first"))
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: api.create(order(offer_of(slug), "second")),
        "find": lambda: api.find("first"),
        "get": lambda: api.get(made.instance_id),
        "end": lambda: api.end(made.instance_id),
    }
    for operation, call in calls.items():
        if operation == "end" and kind in ("page", "malformed", "cut") and slug in NO_WORD_AT_THE_END:
            continue
        once = None if kind == "reset" else 1  # a read is sent again when its connection turns out to be dead
        simulation.fault(kind, slug, operation, count=once, **told)
        with pytest.raises(error) as raised:
            call()
        assert type(raised.value) is error, operation
        if error is errors.RateLimited:
            assert raised.value.retry_after == 12
        simulation.control("DELETE", "faults")
    api.end(made.instance_id)


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("kind", ["error_after_effect", "hang_after_effect"])
def test_a_create_that_failed_and_took_effect_is_found_by_its_label_and_ended(
    simulation: Any,
    impatient: Callable[[str], InstanceApi],
    offer_of: Callable[..., Offer],
    slug: str,
    kind: str,
) -> None:
    api = impatient(slug)
    offer = offer_of(slug)
    simulation.fault(kind, slug, "create", count=1)
    with pytest.raises(errors.ProviderUnavailable):
        api.create(order(offer, "gpubroker-lost"))
    [found] = api.find("gpubroker-lost")
    assert found.status is not InstanceStatus.ENDED
    assert len(simulation.running(slug)) == 1
    api.end(found.instance_id)
    assert simulation.running(slug) == []


@pytest.mark.parametrize("slug", SLUGS)
def test_a_create_that_failed_before_it_took_effect_is_not_found(
    simulation: Any, impatient: Callable[[str], InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    api = impatient(slug)
    offer = offer_of(slug)
    simulation.fault("hang", slug, "create", count=1)
    with pytest.raises(errors.ProviderUnavailable):
        api.create(order(offer, "gpubroker-never"))
    assert api.find("gpubroker-never") == []


@pytest.mark.parametrize("slug", SLUGS)
def test_a_slow_drip_ends_at_the_deadline(simulation: Any, impatient: Callable[[str], InstanceApi], slug: str) -> None:
    simulation.control("POST", "orphans", provider=slug)
    simulation.fault("slow_drip", slug, "find", seconds=0.1)
    with pytest.raises(errors.ProviderUnavailable, match="complete answer"):
        impatient(slug).list()


@pytest.mark.parametrize("slug", SLUGS)
def test_two_accounts_do_not_see_each_others_instances(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    mine, theirs = api_of(slug), api_of(slug, CUSTOMER)
    made = mine.create(order(offer_of(slug)))
    assert theirs.list() == []
    assert theirs.get(made.instance_id) is None
    theirs.end(made.instance_id)
    assert len(simulation.running(slug)) == 1


@pytest.mark.parametrize("slug", SLUGS)
def test_an_orphan_is_listed_and_a_vanished_one_is_not(
    simulation: Any, api_of: Callable[..., InstanceApi], slug: str
) -> None:
    planted = simulation.control("POST", "orphans", provider=slug, label="not-ours")
    assert [one.label for one in api_of(slug).list()] == ["not-ours"]
    simulation.control("POST", f"instances/{planted['instance_id']}", action="vanish")
    assert api_of(slug).list() == []


@pytest.mark.parametrize("slug", SLUGS)
def test_a_machine_that_breaks_is_failed_and_can_be_ended(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    api = api_of(slug)
    made = api.create(order(offer_of(slug)))
    simulation.clock.forward(5)
    simulation.control("POST", f"instances/{made.instance_id}", action="break")
    broken = api.get(made.instance_id)
    assert broken is not None
    assert broken.status is InstanceStatus.FAILED
    assert [one.instance_id for one in api.list()] == [made.instance_id]  # it still costs: it must be ended
    api.end(made.instance_id)
    assert simulation.running(slug) == []


def test_a_server_that_was_made_and_never_started_leaves_no_volume(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    simulation.fault("status", "scaleway", "end", count=1, status=503)  # the poweron: an action, as the ending is
    with pytest.raises(errors.ProviderUnavailable):
        api_of("scaleway").create(order(offer_of("scaleway")))
    [left] = api_of("scaleway").find("gpubroker-ren-1-0")
    assert (left.status, left.native_status) == (InstanceStatus.FAILED, "stopped")
    api_of("scaleway").end(left.instance_id)
    assert simulation.running("scaleway") == []
    [gone] = [one for one in simulation.app.state.world.instances.values() if one.provider == "scaleway"]
    assert gone.request["volume"] is None


def test_a_boot_script_goes_with_its_instance_at_verda(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    made = api_of("verda").create(order(offer_of("verda"), env={"TOKEN": "of-this-rental"}))
    kept = simulation.app.state.world.keys["verda", "platform"]
    assert any("of-this-rental" in text for text in kept.values())
    api_of("verda").end(made.instance_id)
    assert not any("of-this-rental" in text for text in kept.values())


def test_a_boot_script_goes_with_its_machine_at_latitude_and_with_a_create_that_was_refused(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    offer, api = offer_of("latitude"), api_of("latitude")
    made = api.create(order(offer, env={"TOKEN": "of-this-rental"}))
    kept = simulation.app.state.world.keys["latitude", "platform"]
    assert [one for one in kept if one.startswith("ud_")]
    api.end(made.instance_id)
    assert not [one for one in kept if one.startswith("ud_")]
    simulation.control("POST", "capacity", provider="latitude", stock=0)
    with pytest.raises(errors.NoCapacity):
        api.create(order(offer, env={"TOKEN": "of-this-rental"}))
    assert not [one for one in kept if one.startswith("ud_")]


@pytest.mark.parametrize("disk_gb", [50, 100, 500])
def test_tensordock_bills_what_the_terms_of_the_order_say_its_disk_included(
    api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], disk_gb: int
) -> None:
    offer = offer_of("tensordock", gpus=2)
    terms = composition._terms_of(offer).with_disk(disk_gb)
    assert (terms.price_micros > offer.price_micros_per_hour) is (disk_gb > 100)
    made = api_of("tensordock").create(order(offer, disk_gb=disk_gb))
    found = api_of("tensordock").get(made.instance_id)
    assert found is not None
    assert found.price_micros_per_hour == pytest.approx(terms.price_micros, rel=0, abs=1)


def test_tensordocks_key_is_put_in_by_commands_that_may_run_twice(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    # its ssh_key and cloud-init's ssh_authorized_keys install nothing
    api_of("tensordock").create(order(offer_of("tensordock")))
    [running] = simulation.running("tensordock")
    commands = running["request"]["cloud_init"]["runcmd"]
    for home in ("/root", "/home/user"):
        assert (
            f"grep -qxF '{KEY}' {home}/.ssh/authorized_keys || echo '{KEY}' >> {home}/.ssh/authorized_keys" in commands
        )
    assert running["request"]["useDedicatedIp"] is True
    assert running["request"]["image"] == "ubuntu2204"


@pytest.mark.parametrize(
    ("status", "told", "error"),
    [
        (200, {"status": 400, "error": "No available nodes found"}, errors.NoCapacity),
        (200, {"status": 402, "error": "Insufficient balance"}, errors.QuotaExceeded),
        (200, {"status": 429, "error": "slow down"}, errors.RateLimited),
        (200, {"status": 500, "error": "oops"}, errors.ProviderUnavailable),
        (200, {"status": 400, "error": "Invalid image"}, errors.UnknownAnswer),
        (400, [{"code": "invalid_type", "message": "Expected number"}], errors.UnknownAnswer),
    ],
    ids=str,
)
def test_tensordocks_refusals_come_in_the_body_of_a_success_too(
    offer_of: Callable[..., Offer], status: int, told: Any, error: type[errors.ProviderError]
) -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status, json=told)))
    api = tensordock.TensorDockInstances(Exchange("tensordock", tensordock.ORIGIN, {}, client))
    with pytest.raises(error) as raised:
        api.create(order(offer_of("tensordock")))
    assert type(raised.value) is error


def test_tensordocks_list_is_read_in_both_of_its_shapes() -> None:
    row = {"id": "1", "name": "a", "status": "running", "ip_address": "203.0.113.9", "price_per_hour": 0.3}
    for told in ({"data": [row]}, {"data": {"instances": [row]}}):
        client = httpx.Client(transport=httpx.MockTransport(lambda _, told=told: httpx.Response(200, json=told)))
        [one] = tensordock.TensorDockInstances(Exchange("tensordock", tensordock.ORIGIN, {}, client)).list()
        assert (one.label, one.ssh_host, one.price_micros_per_hour) == ("a", "203.0.113.9", 300_000)


def test_hyperstack_makes_an_environment_where_the_account_has_none_and_uses_it_again(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    offer = offer_of("hyperstack")
    there = dataclasses.replace(offer, launch={**offer.launch, "region": "US-1"})
    simulation.control("POST", "capacity", provider="hyperstack", stock=5)
    for label in ("one", "two"):
        api_of("hyperstack").create(order(there, label))
    rented = simulation.running("hyperstack")
    assert {one["request"]["environment_name"] for one in rented} == {"gpubroker-US-1"}
    assert len({one["request"]["key_name"] for one in rented}) == 1


def test_a_key_that_two_rentals_register_at_once_is_one_key_at_digitalocean(offer_of: Callable[..., Offer]) -> None:
    listed = iter([[], [{"id": 7, "public_key": KEY}]])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/account/keys":
            if request.method == "POST":
                return httpx.Response(422, json={"message": "SSH Key is already in use on your account"})
            return httpx.Response(200, json={"ssh_keys": next(listed)})
        assert json.loads(request.content)["ssh_keys"] == [7]
        return httpx.Response(202, json={"droplet": {"id": 1, "name": "gpubroker-ren-1-0", "status": "new"}})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    api = digitalocean.DropletInstances(Exchange("digitalocean", "https://api.digitalocean.com", {}, client))
    assert api.create(order(offer_of("digitalocean"))).instance_id == "1"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (422, "Size is not available in this region.", errors.NoCapacity),
        (422, "creating this/these droplet(s) will exceed your droplet limit", errors.QuotaExceeded),
        (402, "", errors.QuotaExceeded),
        (403, "unavailable", errors.BadCredentials),
        (503, "no capacity", errors.ProviderUnavailable),
        (422, "something else", errors.UnknownAnswer),
    ],
)
def test_a_refusal_is_told_by_its_status_first_and_by_its_words_then(
    offer_of: Callable[..., Offer], status: int, body: str, error: type[errors.ProviderError]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/account/keys":
            return httpx.Response(200, json={"ssh_keys": [{"id": 7, "public_key": KEY}]})
        return httpx.Response(status, json={"message": body})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    api = digitalocean.DropletInstances(Exchange("digitalocean", "https://api.digitalocean.com", {}, client))
    with pytest.raises(error) as raised:
        api.create(order(offer_of("digitalocean")))
    assert type(raised.value) is error


def test_a_list_of_instances_is_read_to_its_last_page() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", 1))
        rows = [{"id": page, "label": f"machine-{page}", "status": "running", "ipv4": ["203.0.113.1"]}]
        return httpx.Response(200, json={"data": rows, "page": page, "pages": 3})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    api = linode.LinodeInstances(Exchange("linode", "https://api.linode.com", {}, client))
    assert [one.label for one in api.list()] == ["machine-1", "machine-2", "machine-3"]
    assert [one.instance_id for one in api.find("machine-3")] == ["3"]


def test_a_bid_that_was_too_low_left_a_contract_which_is_reported_as_failed(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    spot = offer_of("vastai", spot=True)
    simulation.control("POST", "prices", provider="vastai", key=spot.provider_offer_id, factor=3)
    made = api_of("vastai").create(order(spot))
    assert made.status is InstanceStatus.FAILED
    assert made.bid_too_low
    assert [one["instance_id"] for one in simulation.running("vastai")] == [made.instance_id]
    api_of("vastai").end(made.instance_id)
    assert simulation.running("vastai") == []


def test_an_interruptible_machine_is_had_at_its_bid(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    spot = offer_of("vastai", spot=True)
    made = api_of("vastai").create(order(spot))
    [running] = simulation.running("vastai")
    assert running["instance_id"] == made.instance_id
    assert running["request"]["price"] == pytest.approx(float(spot.launch["bid"]))


def test_an_interruptible_machine_costs_what_its_offer_says_its_disk_included(
    api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    spot = offer_of("vastai", spot=True)
    made = api_of("vastai").create(order(spot))
    found = api_of("vastai").get(made.instance_id)
    assert found is not None
    assert found.price_micros_per_hour == spot.price_micros_per_hour


@pytest.mark.parametrize("spot", [False, True], ids=["on demand", "interruptible"])
@pytest.mark.parametrize("disk_gb", [32, 33, 500])
def test_vastai_bills_what_the_terms_of_the_order_say_its_disk_included(
    api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], disk_gb: int, spot: bool
) -> None:
    offer = offer_of("vastai", spot=spot)
    terms = composition._terms_of(offer).with_disk(disk_gb)
    assert (terms.price_micros > offer.price_micros_per_hour) is (disk_gb > 32)
    made = api_of("vastai").create(order(offer, disk_gb=disk_gb))
    found = api_of("vastai").get(made.instance_id)
    assert found is not None
    # both sides round to micro-USD, the provider twice
    assert found.price_micros_per_hour == pytest.approx(terms.price_micros, rel=0, abs=1)


@pytest.mark.parametrize("slug", [slug for slug in SLUGS if slug not in DISK_BY_SIZE])
def test_disk_has_no_price_of_its_own_elsewhere(offer_of: Callable[..., Offer], slug: str) -> None:
    offer = offer_of(slug)
    assert composition._terms_of(offer).with_disk(500).price_micros == offer.price_micros_per_hour


def test_a_bid_that_was_too_low_and_left_nothing_is_no_capacity(offer_of: Callable[..., Offer]) -> None:
    refusal = httpx.Response(400, json={"success": False, "error": "bid_too_low", "msg": "Bid is below the minimum."})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: refusal))
    api = vastai.VastInstances(Exchange("vastai", "https://console.vast.ai", {}, client))
    with pytest.raises(errors.NoCapacity, match="bid"):
        api.create(order(offer_of("vastai", spot=True)))


def test_a_pod_of_several_gpus_costs_that_many(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    offer = offer_of("runpod", gpus=4)
    api_of("runpod").create(order(offer))
    [running] = simulation.running("runpod")
    assert running["request"]["gpuCount"] == 4
    assert float(running["usd_per_hour"]) == pytest.approx(offer.price_micros_per_hour / 1e6)


@pytest.mark.parametrize("slug", KEYS_REGISTERED)
def test_a_callers_key_is_registered_once_however_often_it_is_used(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer], slug: str
) -> None:
    api = api_of(slug)
    api.create(order(offer_of(slug), "one"))
    api.create(InstanceOrder(label="two", offer=offer_of(slug), ssh_public_key=KEY.replace("ada@", "another@")))
    world = simulation.app.state.world
    assert len([one for one in world.keys[slug, "platform"].values() if one.startswith("ssh-")]) == 1


def test_the_order_reaches_each_provider_in_its_own_words(
    simulation: Any, api_of: Callable[..., InstanceApi], offer_of: Callable[..., Offer]
) -> None:
    asked = {
        "image": "vllm/vllm-openai:latest",
        "env": {"MODEL": "it's $HOME"},
        "start_script": "echo go",
        "disk_gb": 50,
    }
    for slug in SLUGS:
        api_of(slug).create(order(offer_of(slug), **asked))
    sent = {slug: simulation.running(slug)[0]["request"] for slug in SLUGS}

    assert sent["vastai"]["image"] == "vllm/vllm-openai:latest"
    assert sent["vastai"]["disk"] == 50
    assert sent["vastai"]["env"] == {"MODEL": "it's $HOME"}
    assert sent["vastai"]["onstart"].endswith("\necho go")
    assert "authorized_keys" in sent["vastai"]["onstart"]
    assert sent["runpod"]["env"]["PUBLIC_KEY"] == KEY
    assert sent["runpod"]["env"]["MODEL"] == "it's $HOME"
    assert sent["runpod"]["ports"] == ["22/tcp", "8888/http"]
    assert "echo go" in sent["runpod"]["dockerStartCmd"][-1]
    script = base64.b64decode(
        sent["shadeform"]["launch_configuration"]["script_configuration"]["base64_script"]
    ).decode()
    assert script == sent["lambdalabs"]["user_data"] == sent["digitalocean"]["user_data"]
    for slug, text in (("vultr", sent["vultr"]["user_data"]), ("linode", sent["linode"]["metadata"]["user_data"])):
        assert base64.b64decode(text).decode() == script, slug
    assert script == sent["hyperstack"]["user_data"] == sent["scaleway"]["cloud-init"]
    assert simulation.app.state.world.keys["verda", "platform"][sent["verda"]["startup_script_id"]] == script
    assert sent["scaleway"]["tags"] == [f"AUTHORIZED_KEY={'_'.join(KEY.split()[:2])}"]
    assert sent["linode"]["authorized_keys"] == [KEY]
    kept = simulation.app.state.world.keys["latitude", "platform"]
    assert base64.b64decode(kept[sent["latitude"]["user_data"]].splitlines()[1]).decode() == script
    dock = sent["tensordock"]["cloud_init"]
    assert (
        dock["write_files"][0] | {"path": "/root/.ssh/authorized_keys", "content": f"{KEY}\n"} == dock["write_files"][0]
    )
    assert base64.b64decode(dock["runcmd"][-1].split()[1]).decode() == script
    assert sent["tensordock"]["resources"]["storage_gb"] == 100  # no less than the smallest
    assert "root_pass" not in sent["linode"]
    assert script.splitlines() == [
        "#!/bin/bash",
        "export MODEL='it'\"'\"'s $HOME'",
        "docker run -d --name workload --gpus all --restart unless-stopped -e MODEL vllm/vllm-openai:latest",
        "echo go",
    ]


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize(
    "wrong", [{"label": "a b"}, {"label": "x" * 61}, {"env": {"A B": "1"}}, {"ssh_public_key": "a\nb"}], ids=str
)
def test_an_order_that_must_not_leave_the_house_does_not(
    simulation: Any,
    api_of: Callable[..., InstanceApi],
    offer_of: Callable[..., Offer],
    slug: str,
    wrong: dict[str, Any],
) -> None:
    values: dict[str, Any] = {"label": "fine", "offer": offer_of(slug), "ssh_public_key": KEY} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        api_of(slug).create(InstanceOrder(**values))
    assert simulation.running(slug) == []


@pytest.mark.parametrize("slug", SLUGS)
def test_no_key_is_in_any_text_of_an_api(api_of: Callable[..., InstanceApi], slug: str) -> None:
    # R9.4 (229)
    api = api_of(slug)
    key = local_keys()[slug]
    for secret in secrets_of(slug, key):
        assert secret not in f"{api!r} {vars(api)!r}"


def test_a_new_account_at_vastai_lists_through_v1(simulation: Any) -> None:
    pages = {
        "/api/v0/instances/": httpx.Response(410, json={"error": "deprecated"}),
        None: httpx.Response(200, json={"instances": [{"id": 1, "label": "a"}], "next_token": "t"}),
        "t": httpx.Response(200, json={"instances": [{"id": 2, "label": "b"}]}),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v0/instances/":
            return pages["/api/v0/instances/"]
        assert request.url.path == "/api/v1/instances/"
        return pages[request.url.params.get("after_token")]

    client = httpx.Client(transport=httpx.MockTransport(answer))
    api = vastai.VastInstances(Exchange("vastai", "https://console.vast.ai", {}, client))
    assert [one.instance_id for one in api.list()] == ["1", "2"]


def test_providers_that_we_cannot_rent_at_are_refused_by_name() -> None:
    assert len(RENTABLE) >= 12
    with pytest.raises(LookupError):
        instances_of("azure", "key")
    with pytest.raises(errors.BadCredentials):
        instances_of("vastai", "")


def test_each_provider_that_rents_is_swept_for_orphans_by_its_own_schedule() -> None:
    template = Path(__file__).parents[3] / "infra" / "rentals.yaml"
    assert sorted(re.findall(r"""Input: '{"provider": "(\w+)"}'""", template.read_text())) == SLUGS


def test_the_real_addresses_are_the_documented_ones() -> None:
    assert (vastai.ORIGIN, runpod.ORIGIN, lambdalabs.ORIGIN, shadeform.ORIGIN) == (
        "https://console.vast.ai",
        "https://rest.runpod.io",
        "https://cloud.lambda.ai",
        "https://api.shadeform.ai",
    )
