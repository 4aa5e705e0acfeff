"""What an offer costs now and cost before, for other services."""
