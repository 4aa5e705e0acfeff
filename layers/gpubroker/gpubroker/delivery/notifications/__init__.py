"""Notifications: what a user is told by mail, push and in the inbox, and how they want it (docs/notifications.md)."""
