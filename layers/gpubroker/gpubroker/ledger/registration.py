"""Opening the account of a user who has registered. Opening twice is harmless; a user who acts before this was heard
opens it by acting."""

from typing import Any

from gpubroker.ledger.book import Book


class Registration:
    def __init__(self, *, book: Book):
        self._book = book

    def on_event(self, event: dict[str, Any]) -> str:
        """The fact UserRegistered of identity. Gives the account's id."""
        return self._book.open(event["detail"]["user_id"]).account_id
