"""Events: how a fact leaves a context, and how a batch of records is taken in."""
