"""GET /docs/problems"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header

from gpubroker.console import pages
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.pages import answer, documented

router = Router()


@router.get(
    "/docs/problems",
    tags=["console"],
    summary="What each `type` of a problem document means",
    responses=documented("text/html"),
)
def get_problems(if_none_match: Annotated[str | None, Header()] = None) -> Answer:
    return answer(pages.page("problems"), if_none_match)


handler = serve(router, limited=False)
