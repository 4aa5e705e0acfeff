"""GET /assets/{name}"""

from typing import Annotated

from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.event_handler.openapi.params import Header, Path

from gpubroker.console import pages
from gpubroker.edge.http import Answer, serve
from gpubroker.edge.pages import answer, documented
from gpubroker.kernel.errors import NotFound

router = Router()


@router.get(
    "/assets/<name>",
    tags=["console"],
    summary="A script, a style or a picture of the pages",
    responses=documented("*/*"),
)
def get_asset(
    name: Annotated[str, Path(max_length=50)],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Answer:
    asset = pages.asset(name)
    if asset is None:
        raise NotFound("There is no such file.")
    return answer(asset, if_none_match)


handler = serve(router, limited=False)
