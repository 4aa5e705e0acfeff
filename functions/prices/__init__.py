"""The Lambdas of prices: one file, one function."""
