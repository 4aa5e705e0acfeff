"""Discounts on accounts, and promotions that give them."""
