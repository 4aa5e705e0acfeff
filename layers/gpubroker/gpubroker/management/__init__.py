"""Orders, transactions, fees, clusters, audit: the management tier's integration API, and settlement."""
