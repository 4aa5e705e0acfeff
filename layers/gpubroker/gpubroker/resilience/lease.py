"""One at a time: a name that is held until it is given back or its time is over. One conditional write.

    pk LEASE#<name>  sk HOLDER   holder, until_ms

A lease that lasts longer than any can (a clock was wrong) counts as over.
"""

import logging
import time
import uuid
from collections.abc import Callable

from botocore.exceptions import BotoCoreError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection.table import TableConnection
from pynamodb.exceptions import DeleteError, PutError

from gpubroker.storage.refusals import lost_condition

logger = logging.getLogger(__name__)

_holder = UnicodeAttribute(attr_name="holder")
_until_ms = NumberAttribute(attr_name="until_ms")


class Lease:
    """Of one name. `lasts_s` is longer than the work and shorter than the wait for the next one.

    connection  gives the table (a model's `_get_connection`)
    clock       epoch seconds
    """

    def __init__(
        self,
        connection: Callable[[], TableConnection],
        name: str,
        lasts_s: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection, self._key, self._clock = connection, f"LEASE#{name}", clock
        self._lasts_ms = round(lasts_s * 1000)
        self._me = ""

    def take(self) -> bool:
        """Whether it is ours now. It stays so until `give_back` or until it is over."""
        now = round(self._clock() * 1000)
        me = uuid.uuid4().hex
        free = _until_ms.does_not_exist() | (_until_ms <= now) | (_until_ms > now + 2 * self._lasts_ms)
        free |= _holder == me  # the answer to this very write was lost, and the SDK sends it again
        attributes = {"holder": {"S": me}, "until_ms": {"N": str(now + self._lasts_ms)}}
        try:
            self._connection().put_item(self._key, "HOLDER", attributes=attributes, condition=free)
        except PutError as error:
            if lost_condition(error):
                return False
            raise
        self._me = me
        return True

    def give_back(self) -> None:
        """At once rather than when it is over, for whoever tries again. Somebody else's is left alone."""
        try:
            self._connection().delete_item(self._key, "HOLDER", condition=_holder == self._me)
        except (DeleteError, BotoCoreError) as error:
            logger.warning("lease %s will be free when its time is over (%r)", self._key, error)
