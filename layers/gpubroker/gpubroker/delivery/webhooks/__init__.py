"""Webhooks: facts of the house, signed and delivered to addresses that customers give."""
