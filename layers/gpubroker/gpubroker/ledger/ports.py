"""What accounts and organisations need of other contexts."""

from typing import Protocol


class Users(Protocol):
    def exists(self, user_id: str) -> bool:
        """Whether there is such a user. One read."""
        ...
