import pytest
from argon2 import extract_parameters

from gpubroker.identity import passwords
from gpubroker.kernel.errors import Invalid


@pytest.mark.parametrize(
    "password",
    ["short", "1234567", "password", "Password123", "QWERTYUIOP", "aaaaaaaaaaaa", "x" * 257, "ada@example.com"],
)
def test_short_long_and_well_known_passwords_are_refused(password):
    with pytest.raises(Invalid):
        passwords.acceptable(password, email="ada@example.com")


def test_a_refusal_never_repeats_the_password():
    with pytest.raises(Invalid) as refusal:
        passwords.acceptable("letmein123")
    assert "letmein123" not in str(refusal.value)


@pytest.mark.parametrize("password", ["a quiet sentence", "пароль-дня-9", "中文密码也可以很长", "x" * 254 + "yz"])
def test_length_is_what_counts_and_every_script_is_welcome(password):
    assert passwords.acceptable(password) == password


def test_the_same_keys_typed_on_another_system_open_the_same_account():
    composed, decomposed = "caf\u00e9 au lait!", "cafe\u0301 au lait!"
    assert passwords.matches(passwords.hashed(passwords.acceptable(composed)), decomposed)


def test_only_the_right_password_matches():
    stored = passwords.hashed("a long and quiet sentence")
    assert passwords.matches(stored, "a long and quiet sentence")
    assert not passwords.matches(stored, "a long and quiet sentence ")
    assert "sentence" not in stored


def test_an_unknown_address_costs_the_work_of_a_known_one():
    nobody, somebody = extract_parameters(passwords.NOBODY), extract_parameters(passwords.hashed("whatever it is"))
    assert nobody == somebody
    assert not passwords.matches(passwords.NOBODY, "abc ")


def test_the_parameters_are_owasps_first_choice():
    assert passwords.hashed("whatever it is").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_of_older_parameters_is_to_be_made_anew():
    from argon2 import PasswordHasher

    assert passwords.outdated(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("x"))
    assert not passwords.outdated(passwords.hashed("x"))
