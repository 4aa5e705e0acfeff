"""GET /openapi.json"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header

from gpubroker.console import pages
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.pages import answer, documented

router = Router()


@router.get("/openapi.json", tags=["console"], summary="This document", responses=documented("application/json"))
def get_openapi(if_none_match: Annotated[str | None, Header()] = None) -> Answer:
    return answer(pages.page("openapi"), if_none_match)


handler = serve(router, limited=False)
