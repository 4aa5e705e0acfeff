"""E-mail addresses as identifiers: one spelling each."""

import unicodedata

from gpubroker.kernel.errors import Invalid

_LONGEST = 254  # RFC 5321, 4.5.3.1.3


def normalised(address: str) -> str:
    """The one spelling under which an address is unique: NFKC, case-folded, the domain in its ASCII form.

    Local parts are case-sensitive on paper and nowhere else; two accounts that differ by case alone would be one
    person who is confused, or two of whom one is a thief. Raises Invalid on field `email`.
    """
    from email_validator import EmailNotValidError, validate_email

    text = unicodedata.normalize("NFKC", address.strip())
    if len(text) > _LONGEST:
        raise Invalid.of("email", f"may have {_LONGEST} characters")
    try:
        # Test domains are what a local cloud and documentation use; whether mail arrives is what verification shows.
        valid = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise Invalid.of("email", "is not an e-mail address") from error
    return f"{valid.local_part}@{valid.ascii_domain or valid.domain}".casefold()
