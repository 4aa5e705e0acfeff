"""Settlement: from a completed transaction to the seller's payout, and back where it must (docs/settlement.md)."""
