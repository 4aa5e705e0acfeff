"""Schedule, and by hand: `{"force": true}` rotates now, `{"revoke_kid": "..."}` takes out a compromised key."""

import time
from typing import Any

from gpubroker.identity.signing import signing_keys
from gpubroker.identity.use_cases import rotation
from gpubroker.messaging.tasks import task


def rotate_signing_keys(event: dict[str, Any]) -> dict[str, Any]:
    return rotation.rotate(event, keys=signing_keys(), now=time.time())


handler = task(rotate_signing_keys)
