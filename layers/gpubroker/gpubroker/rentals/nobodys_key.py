"""The SSH key of a rental for which none was given: providers insist on one, and nobody holds the private half of this.

Its public half is the SHA-256 of a sentence, so that everybody can see that it was not made from a private one.
"""

import base64
import hashlib
from functools import cache

_SENTENCE = b"gpubroker: nobody holds the private half of this key"
_KIND = b"ssh-ed25519"

NOTICE = "No ssh_public_key was given: SSH is closed, Jupyter is the way in where the provider offers it."


@cache
def nobodys_key() -> str:
    """One line in OpenSSH's format."""
    point = hashlib.sha256(_SENTENCE).digest()
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (_KIND, point))
    return f"{_KIND.decode()} {base64.b64encode(blob).decode()} nobody"
