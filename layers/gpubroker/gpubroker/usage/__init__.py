"""What instances use: metered, aggregated once, shown with what is known to be complete."""
