"""Credits: amounts that the house grants an account, burnt down before it pays."""
