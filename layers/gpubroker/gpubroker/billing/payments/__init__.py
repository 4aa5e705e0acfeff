"""Payments: how money enters by a card, through a processor that keeps the cards."""
