"""What may be asked of integrations. Keys are SecretStr: no repr, no log line and no error shows them."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from gpubroker.kernel.schemas import RequestModel

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_TEXT = re.compile(r"[\x20-\x7e\n\r\t]+")

Slug = Annotated[str, Field(min_length=2, max_length=40, pattern=r"^[a-z0-9]+$", examples=["vastai"])]


def _one_word(key: SecretStr) -> SecretStr:
    """A key becomes part of a header: whatever could end it, or cannot stand in it, is no key."""
    if not _VISIBLE.fullmatch(key.get_secret_value()):
        raise ValueError("takes visible ASCII characters only, without spaces")
    return key


def _some_text(part: SecretStr) -> SecretStr:
    if not _TEXT.fullmatch(part.get_secret_value()):
        raise ValueError("takes printable ASCII characters only")
    return part


ApiKey = Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_one_word)]
Part = Annotated[SecretStr, Field(min_length=1, max_length=16_384), AfterValidator(_some_text)]
PartName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9_]*$")]


class IntegrationRequest(RequestModel):
    """A key of one's own. `api_key` where a provider's credentials are one key, `credentials` where they have parts."""

    provider: Slug
    api_key: ApiKey | None = None
    credentials: Annotated[dict[PartName, Part], Field(min_length=1, max_length=8)] | None = Field(
        None, description="the parts by name (Verda: client_id and client_secret)"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.api_key is None) == (self.credentials is None):
            raise ValueError("needs one of api_key and credentials")
        return self

    @property
    def field(self) -> str:
        """The field that the key came in."""
        return "api_key" if self.api_key is not None else "credentials"

    def key(self) -> Any:
        """The key as adapters take it: text, or parts by name."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return {name: part.get_secret_value() for name, part in (self.credentials or {}).items()}
