"""DynamoDB: items, transactions, the outbox and stored idempotency."""
