"""Invoices: a month of an account, from usage and rentals to lines, a document, and what is still to pay."""
