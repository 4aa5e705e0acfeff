"""Tenants' own keys at the providers: kept in Secrets Manager, known in the OffersTable (docs/integrations.md)."""
