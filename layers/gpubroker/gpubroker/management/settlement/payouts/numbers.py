"""Whether a bank account's number can be one: ISO 13616 (IBAN), ISO 9362 (BIC), ABA routing numbers."""

import re

_IBAN = re.compile(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")
_BIC = re.compile(r"^[A-Z]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$")
_ACCOUNT = re.compile(r"^[A-Za-z0-9-]{1,34}$")
_ROUTING = re.compile(r"^[0-9]{9}$")


def is_iban(text: str) -> bool:
    """Check digits by ISO 7064 MOD 97-10: the first four to the end, letters as 10 to 35, the rest of 97 is 1."""
    if not _IBAN.match(text):
        return False
    digits = "".join(str(int(character, 36)) for character in text[4:] + text[:4])
    return int(digits) % 97 == 1


def is_bic(text: str) -> bool:
    return bool(_BIC.match(text))


def is_account_number(text: str) -> bool:
    return bool(_ACCOUNT.match(text))


def is_routing_number(text: str) -> bool:
    """Nine digits whose sum, weighted 3, 7, 1, is a multiple of ten."""
    return (
        bool(_ROUTING.match(text))
        and sum(int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True)) % 10 == 0
    )
