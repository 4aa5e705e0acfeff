"""GET /greetings/{name}"""

import json
from typing import Any

from greeter import GREETING


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Greets whom the path names."""
    body = {"greeting": f"{GREETING} {event['pathParameters']['name']}"}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
