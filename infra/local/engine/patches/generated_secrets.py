"""GenerateSecretString makes the secret that it describes.

AWS: AWS::SecretsManager::Secret GenerateSecretString has ExcludePunctuation, ExcludeNumbers, ExcludeUppercase,
ExcludeLowercase, IncludeSpace and RequireEachIncludedType, as GetRandomPassword has. The stock engine knows the length
and ExcludeCharacters only, so that a secret meant for a header may hold quotes and spaces' company.
"""

import json
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

from infra.local.engine.patching import original, replaces


def generated(wanted: dict[str, Any]) -> str:
    """The secret string; ValueError when the description cannot be met."""
    typed = {key: value == "true" if value in ("true", "false") else value for key, value in wanted.items()}
    if "PasswordLength" in typed:
        typed["PasswordLength"] = int(typed["PasswordLength"])
    status, _, body = secretsmanager._get_random_password(typed)
    answer = json.loads(body)
    if status >= 400:
        raise ValueError(answer.get("message", "the secret cannot be generated"))
    password = str(answer["RandomPassword"])
    if template := wanted.get("SecretStringTemplate"):
        return json.dumps({**json.loads(template), wanted["GenerateStringKey"]: password})
    return password


def apply() -> None:
    stock = original(provisioners, "_sm_secret_string")

    @replaces(provisioners)
    def _sm_secret_string(props: dict[str, Any]) -> str:
        wanted = props.get("GenerateSecretString")
        return generated(wanted) if wanted and not props.get("SecretString") else str(stock(props))
