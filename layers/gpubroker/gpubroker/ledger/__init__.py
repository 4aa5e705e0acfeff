"""Money that is there, held and moved: double entry, in micro-dollars."""
