"""The items of the IdentityTable."""

from typing import Any

from pynamodb.attributes import (
    BooleanAttribute,
    ListAttribute,
    MapAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import DoesNotExist, PynamoDBException

from gpubroker.kernel.errors import Unavailable
from gpubroker.storage.table import Item, Table


class Identity(Item):
    """Base of the items here; also the model that names the table for transactions, outbox and idempotency."""

    class Meta(Table):
        env = "IDENTITY_TABLE"


class LoginItem(Identity):
    """`EMAIL#<address>` `LOGIN`: makes an address unique and says how its owner gets in."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    user_id = UnicodeAttribute()
    password_hash = UnicodeAttribute()


class ProfileItem(Identity):
    """`<user_id>` `PROFILE`: who a user is. A challenge is the id that a mailed token must carry, good once."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    email = UnicodeAttribute()
    name = UnicodeAttribute(null=True)
    email_verified = BooleanAttribute(default=False)
    created_at = NumberAttribute()
    verify_challenge = UnicodeAttribute(null=True)
    reset_challenge = UnicodeAttribute(null=True)


class StandingItem(Identity):
    """`<user_id>|<svc_id>` `STANDING`: what decides about every credential (identity/standing.py)."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    role = UnicodeAttribute()
    plan = UnicodeAttribute()
    disabled = BooleanAttribute(default=False)
    sessions: Any = MapAttribute(default=dict)  # type: ignore[no-untyped-call]
    api_keys: Any = MapAttribute(default=dict)  # type: ignore[no-untyped-call]
    accounts: Any = MapAttribute(default=dict)  # type: ignore[no-untyped-call]


class KeyItem(Identity):
    """`<user_id>` `KEY#<key_id>`: what is shown of an API key. The standing decides; this is for the list."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    key_id = UnicodeAttribute()
    name = UnicodeAttribute()
    scopes: Any = ListAttribute(of=UnicodeAttribute)
    last_four = UnicodeAttribute()
    created_at = NumberAttribute()
    valid_until = NumberAttribute(null=True)
    revoked_at = NumberAttribute(null=True)


class AccountItem(Identity):
    """`SERVICES` `ACCOUNT#<service_id>`: what is shown of a service or agent account; makes its id unique for ever."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    service_id = UnicodeAttribute()
    principal = UnicodeAttribute()
    kind = UnicodeAttribute()
    owner_id = UnicodeAttribute(null=True)
    scopes: Any = ListAttribute(of=UnicodeAttribute)
    last_four = UnicodeAttribute()
    created_at = NumberAttribute()
    created_by = UnicodeAttribute()
    revoked_at = NumberAttribute(null=True)


class RingItem(Identity):
    """`KEYS` `RING`: the public signing keys and the version of the secret that holds their private halves."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    generation = NumberAttribute()
    secret_version = UnicodeAttribute()
    keys = UnicodeAttribute()


class MailItem(Identity):
    """`MAIL#<event_id>` `SENT`: that a mail left, so that the same fact delivered twice is one mail."""

    class Meta(Table):
        env = "IDENTITY_TABLE"

    message_id = UnicodeAttribute()
    kind = UnicodeAttribute()


def found(model: type[Identity], pk: str, sk: str) -> Any:
    """The item as last written (a consistent read), or None. Raises Unavailable while DynamoDB is away."""
    try:
        return model.get(pk, sk, consistent_read=True)
    except DoesNotExist:
        return None
    except PynamoDBException as error:
        raise Unavailable("The identity store cannot be reached.", retry_after=1) from error
