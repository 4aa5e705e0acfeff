"""PutSecretValue attaches every staging label that it is given.

AWS: "VersionStages: A list of staging labels to attach to this version of the secret" (PutSecretValue); a version that
keeps a label of its own is not tidied away when others become AWSCURRENT. The stock engine drops all labels beside
AWSCURRENT, so that a version loses its last label, and is deleted, two writes later.
"""

import json
from typing import Any

from ministack.services import secretsmanager

from infra.local.engine.patching import original, replaces


def apply() -> None:
    stock = original(secretsmanager, "_put_secret_value")

    @replaces(secretsmanager)
    def _put_secret_value(data: dict[str, Any]) -> Any:
        answer = stock(data)
        status, _, body = answer
        asked = data.get("VersionStages") or ["AWSCURRENT"]
        if status >= 400 or "AWSCURRENT" not in asked:
            return answer
        told = json.loads(body)
        _, secret = secretsmanager._resolve(data["SecretId"])
        for label in asked:
            for version_id, version in secret["Versions"].items():
                if version_id == told["VersionId"]:
                    version["Stages"] = list(dict.fromkeys([*version["Stages"], label]))
                elif label in version["Stages"] and not label.startswith("AWS"):
                    version["Stages"].remove(label)
        told["VersionStages"] = list(secret["Versions"][told["VersionId"]]["Stages"])
        return secretsmanager.json_response(told)
