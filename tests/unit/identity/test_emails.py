import pytest

from gpubroker.identity.emails import normalised
from gpubroker.kernel.errors import Invalid


@pytest.mark.parametrize(
    "spelling", ["ada@example.com", "Ada@Example.COM", "  ADA@example.com ", "ａｄａ@example.com", "ada@ｅxample.com"]
)
def test_one_mailbox_has_one_spelling(spelling):
    assert normalised(spelling) == "ada@example.com"


def test_an_international_domain_is_kept_in_its_ascii_form():
    assert normalised("ada@Exämple.com") == "ada@xn--exmple-cua.com"


@pytest.mark.parametrize(
    "text",
    ["", "ada", "ada@", "@example.com", "ada@nowhere", "Ada <ada@example.com>", "ada@[127.0.0.1]", "a@b@example.com",
     "ada@example.com\r\nBcc: eve@example.com", "x" * 250 + "@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_field(text):
    with pytest.raises(Invalid) as refusal:
        normalised(text)
    assert refusal.value.fields[0].field == "email"
