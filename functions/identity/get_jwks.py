"""GET /.well-known/jwks.json"""

import time

from aws_lambda_powertools.event_handler.api_gateway import Router

from gpubroker.edge.http import Answer, serve
from gpubroker.identity.keyring import RING_SECONDS, jwks
from gpubroker.identity.store.ring import ring
from gpubroker.identity.views import KeySetView

router = Router()


@router.get("/.well-known/jwks.json", tags=["identity"], summary="The public keys that our tokens are signed with")
def get_jwks() -> Answer[KeySetView]:
    keys = KeySetView.model_validate(jwks(ring(), time.time()))
    return Answer(keys, headers={"cache-control": f"public, max-age={RING_SECONDS}"})


handler = serve(router, limited=False)
