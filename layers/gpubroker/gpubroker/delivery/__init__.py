"""Delivery: every way an event leaves for a subscriber."""
