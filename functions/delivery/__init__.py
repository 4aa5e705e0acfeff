"""The Lambdas of delivery: one file, one function."""
