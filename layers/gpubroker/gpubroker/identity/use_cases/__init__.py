"""What identity does, one module per errand."""
