"""What DynamoDB said when it refused."""

from pynamodb.exceptions import PynamoDBException


def code_of(error: PynamoDBException) -> str | None:
    """DynamoDB's code; None where no answer came.

    pynamodb's own `cause_response_code` raises AttributeError there: an error of botocore that is no answer (a timeout,
    a connection that was cut) has a `response`, which is None.
    """
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def lost_condition(error: PynamoDBException) -> bool:
    """Whether a single conditional write failed on its condition, and on nothing else."""
    return code_of(error) == "ConditionalCheckFailedException"
