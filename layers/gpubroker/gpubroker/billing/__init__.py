"""From usage to invoices: price plans, discounts, credits, payments."""
