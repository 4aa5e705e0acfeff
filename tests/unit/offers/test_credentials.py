"""The platform's provider keys: cached, used for one hour at most while Secrets Manager is away.

R9.2 (227), R9.3 (228).
"""

import pytest

from gpubroker.offers.credentials import AT_MOST, FRESH, CredentialsUnavailable, ProviderKeys

SECRET = '{"vastai": "a-very-secret-key", "verda": {"client_id": "i", "client_secret": "s"}, "runpod": ""}'


class Vault:
    def __init__(self) -> None:
        self.secret: str = SECRET
        self.away = False
        self.reads = 0
        self.now = 1000.0

    def read(self) -> str:
        self.reads += 1
        if self.away:
            raise TimeoutError("could not reach a-very-secret-key")
        return self.secret

    def keys(self) -> ProviderKeys:
        return ProviderKeys(self.read, clock=lambda: self.now)


def test_keys_are_read_on_first_use_and_once() -> None:
    vault = Vault()
    keys = vault.keys()
    assert vault.reads == 0
    assert keys["vastai"] == "a-very-secret-key"
    assert keys.get("verda") == {"client_id": "i", "client_secret": "s"}
    assert sorted(keys) == ["vastai", "verda"]  # an empty key is none
    assert vault.reads == 1


def test_they_are_read_again_when_they_are_old() -> None:
    vault = Vault()
    keys = vault.keys()
    keys.get("vastai")
    vault.secret = '{"vastai": "rotated"}'
    vault.now += FRESH - 1
    assert keys["vastai"] == "a-very-secret-key"
    vault.now += 2
    assert keys["vastai"] == "rotated"


def test_while_the_vault_is_away_they_serve_for_one_hour_and_no_longer() -> None:
    vault = Vault()
    keys = vault.keys()
    keys.get("vastai")
    vault.away = True
    vault.now += AT_MOST - 1
    assert keys["vastai"] == "a-very-secret-key"
    vault.now += 20
    with pytest.raises(CredentialsUnavailable):
        keys["vastai"]
    vault.away = False
    vault.now += 20
    assert keys["vastai"] == "a-very-secret-key"


def test_a_vault_that_is_away_is_not_asked_by_every_call() -> None:
    vault = Vault()
    keys = vault.keys()
    keys.get("vastai")
    vault.away = True
    vault.now += FRESH + 1
    for _ in range(100):
        keys.get("vastai")
    assert vault.reads == 2


@pytest.mark.parametrize("secret", ["", "not json a-very-secret-key", "[]", '"a-very-secret-key"'])
def test_a_secret_that_is_none_is_said_without_its_text(secret: str, caplog: pytest.LogCaptureFixture) -> None:
    # R9.4 (229)
    vault = Vault()
    vault.secret = secret
    with pytest.raises(CredentialsUnavailable) as raised:
        vault.keys()["vastai"]
    assert "a-very-secret-key" not in f"{raised.value!r} {caplog.text} {raised.value.__cause__!r}"


def test_the_keys_are_in_no_text() -> None:
    vault = Vault()
    keys = vault.keys()
    keys.get("vastai")
    assert "secret" not in f"{keys!r} {keys}"
