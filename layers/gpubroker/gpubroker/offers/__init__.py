"""The offers context: what the providers sell, at the price of this minute (DESIGN §2)."""
