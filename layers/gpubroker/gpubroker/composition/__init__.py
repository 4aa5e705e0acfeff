"""Where contexts meet: the only modules that see several of them (DESIGN §2), one for each that needs others.

Each factory imports what it joins when it is called, so that a function loads its own context and no other.
"""
