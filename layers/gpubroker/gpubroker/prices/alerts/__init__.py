"""Price alerts: kept, matched by an index, fired once per crossing (docs/alerts.md)."""
