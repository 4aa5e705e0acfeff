"""GET /"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header

from gpubroker.console import pages
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.pages import answer, documented

router = Router()


@router.get(
    "/", tags=["console"], summary="The start page, with the market of this minute", responses=documented("text/html")
)
def get_home(if_none_match: Annotated[str | None, Header()] = None) -> Answer:
    return answer(pages.page("home"), if_none_match)


handler = serve(router, limited=False)
