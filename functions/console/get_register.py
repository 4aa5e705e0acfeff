"""GET /auth/register"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Query

from gpubroker.console import pages
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.pages import answer, documented

router = Router()


@router.get(
    "/auth/register", tags=["console"], summary="The page to open an account", responses=documented("text/html")
)
def get_register(
    # Read by the page's script, which goes there afterwards if it is a path of this host.
    next: Annotated[str | None, Query(max_length=500)] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Answer:
    return answer(pages.page("register"), if_none_match)


handler = serve(router, limited=False)
