"""Price plans as DynamoDB items, in the table of billing.

PLANS            <plan id>        a plan: its versions and their moments, and how often an account was put on it
PLAN#<plan id>   VERSION#000001   one version, a JSON document that never changes
<account>#PLAN   PLANS            when the account is on which plan
"""

from functools import cache

import orjson
from pydantic import TypeAdapter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from gpubroker.billing.plans.plan import PlanVersion
from gpubroker.storage.table import Item, Table

PLANS = "PLANS"
VERSION = "VERSION#"


@cache
def _json() -> TypeAdapter[PlanVersion]:
    return TypeAdapter(PlanVersion)


class PlanItem(Item):
    """timeline: JSON, [version, effective_from] of each; `version` counts the writes, `latest` the versions ever."""

    class Meta(Table):
        env = "BILLING_TABLE"

    timeline = UnicodeAttribute()
    latest = NumberAttribute()
    accounts = NumberAttribute(default=0)

    @classmethod
    def key(cls, plan_id: str) -> "PlanItem":
        return cls(PLANS, plan_id)


class VersionItem(Item):
    class Meta(Table):
        env = "BILLING_TABLE"

    plan = UnicodeAttribute()

    @classmethod
    def of(cls, plan: PlanVersion) -> "VersionItem":
        document = _json().dump_json(plan).decode()
        return cls(version_pk(plan.plan_id), version_sk(plan.version), plan=document)

    def value(self) -> PlanVersion:
        return _json().validate_json(self.plan)


class AccountPlanItem(Item):
    """plans: JSON, [plan id, effective_from] of each change, in order of time."""

    class Meta(Table):
        env = "BILLING_TABLE"

    plans = UnicodeAttribute()

    @classmethod
    def of(cls, account_id: str, plans: list[tuple[str, str]], version: int) -> "AccountPlanItem":
        return cls(f"{account_id}#PLAN", PLANS, plans=orjson.dumps(plans).decode(), version=version)


def version_pk(plan_id: str) -> str:
    return f"PLAN#{plan_id}"


def version_sk(version: int) -> str:
    return f"{VERSION}{version:06d}"
