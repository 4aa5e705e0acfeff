"""The Lambdas of the offers context: one file each, parse, call one use case, answer."""
