"""The Lambdas of the offers context: one file each, parse, call one use case, answer."""

import gc

# What start-up makes stays: looking through it for garbage a dozen times is a tenth of a cold start.
gc.set_threshold(100_000, 20, 100)
