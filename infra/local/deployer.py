"""Deploys a template to an endpoint as `sam deploy` would: package, change set, execute, wait, say what failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.local import aws, cfn_yaml
from infra.local.packaging import Packager
from infra.local.trouble import Trouble

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
POLL_SECONDS = 0.05
NOTHING_CHANGED = ("didn't contain changes", "no updates are to be performed", "no changes")
# A stack in one of these was never there or cannot be updated: it is removed and made anew.
BEYOND_UPDATE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS"}


@dataclass(frozen=True)
class Deployment:
    """What a stack is after a deploy. `nested` holds the outputs of each nested application by its logical id."""

    stack: str
    changed: bool
    resources: int
    outputs: dict[str, str]
    nested: dict[str, dict[str, str]] = field(default_factory=dict)


class Deployer:
    """Packages to, and deploys through, one endpoint."""

    def __init__(self, endpoint_url: str, *, bucket: str = "gpubroker-artifacts") -> None:
        self._endpoint_url = endpoint_url
        self._bucket = bucket
        self._cloudformation = aws.client("cloudformation", endpoint_url)
        self._s3 = aws.client("s3", endpoint_url)

    def deploy(self, template: Path, stack: str, parameters: Mapping[str, str], *, seconds: float = 120) -> Deployment:
        """Bring the stack to what the template says. Deploying the same twice changes nothing.

        Parameters that the template does not declare are left out. Raises Trouble naming the resource that failed.
        """
        url = self._package(template)
        declared = cfn_yaml.load(template).get("Parameters", {})
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items() if k in declared]
        status = self._status(stack)
        if status in BEYOND_UPDATE:
            self.delete(stack, seconds=seconds)
            status = None
        changed = self._change(stack, url, given, exists=status is not None, seconds=seconds)
        return self._describe(stack, changed=changed)

    def delete(self, stack: str, *, seconds: float = 120) -> None:
        """Remove the stack and wait until it is gone."""
        self._cloudformation.delete_stack(StackName=stack)
        deadline = time.monotonic() + seconds
        while (status := self._status(stack)) is not None:
            if status == "DELETE_FAILED" or time.monotonic() > deadline:
                raise Trouble(
                    f"The stack {stack} could not be removed ({status}).", "Run `make clean` and start again."
                )
            time.sleep(POLL_SECONDS)

    def _package(self, template: Path) -> str:
        try:
            self._s3.head_bucket(Bucket=self._bucket)
        except ClientError:
            self._s3.create_bucket(Bucket=self._bucket)
        listing = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        there = {item["Key"] for page in listing for item in page.get("Contents", [])}

        def put(key: str, body: bytes) -> None:
            if key not in there:
                self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
                there.add(key)

        return Packager(self._bucket, self._endpoint_url, put).template(template.resolve())

    def _change(self, stack: str, url: str, parameters: list[dict[str, str]], *, exists: bool, seconds: float) -> bool:
        """Make and execute a change set; whether there was anything to change."""
        deadline = time.monotonic() + seconds
        try:
            change_set = self._cloudformation.create_change_set(
                StackName=stack,
                ChangeSetName=f"deploy-{time.time_ns()}",
                ChangeSetType="UPDATE" if exists else "CREATE",
                TemplateURL=url,
                Parameters=parameters,
                Capabilities=CAPABILITIES,
            )["Id"]
        except ClientError as error:
            raise _refused(stack, error.response["Error"]["Message"]) from error
        while True:
            found = self._cloudformation.describe_change_set(ChangeSetName=change_set, StackName=stack)
            if found["Status"] == "CREATE_COMPLETE":
                break
            if found["Status"] == "FAILED":
                reason = found.get("StatusReason", "")
                if exists and any(sentence in reason.lower() for sentence in NOTHING_CHANGED):
                    self._cloudformation.delete_change_set(ChangeSetName=change_set, StackName=stack)
                    return False
                raise _refused(stack, reason)
            _in_time(deadline, stack, found["Status"])
            time.sleep(POLL_SECONDS)
        if exists and not found.get("Changes"):
            self._cloudformation.delete_change_set(ChangeSetName=change_set, StackName=stack)
            return False
        self._cloudformation.execute_change_set(ChangeSetName=change_set, StackName=stack)
        self._wait(stack, deadline, done="UPDATE_COMPLETE" if exists else "CREATE_COMPLETE")
        return True

    def _wait(self, stack: str, deadline: float, *, done: str) -> None:
        while (status := self._status(stack)) != done:
            if status is None or status.endswith(("_FAILED", "ROLLBACK_COMPLETE")):
                raise Trouble(
                    f"The deploy of {stack} failed: {self._blame(stack) or status}.",
                    "Mend the template (or `make clean`, if the local state is to blame) and start again.",
                )
            _in_time(deadline, stack, status)
            time.sleep(POLL_SECONDS)

    def _status(self, stack: str) -> str | None:
        try:
            found = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        status: str | None = found[0]["StackStatus"] if found else None
        return None if status == "DELETE_COMPLETE" else status

    def _blame(self, stack: str) -> str:
        """The first failure that is not the consequence of another, looked for in the nested stacks first."""
        events = list(reversed(self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]))
        for event in events:
            if not event.get("ResourceStatus", "").endswith("_FAILED"):
                continue
            inner, name = event.get("PhysicalResourceId", ""), event["LogicalResourceId"]
            if event["ResourceType"] == "AWS::CloudFormation::Stack" and name != stack and inner:
                deeper = self._blame_of_nested(inner)
                if deeper:
                    return f"{name} > {deeper}"
            reason = event.get("ResourceStatusReason", "no reason given")
            return f"{name} ({event['ResourceType']}): {reason.strip().rstrip('.')}"
        return ""

    def _blame_of_nested(self, stack_id: str) -> str:
        try:
            return self._blame(stack_id)
        except ClientError:
            return ""  # it was rolled back and is gone; the parent's own reason has to do

    def _describe(self, stack: str, *, changed: bool) -> Deployment:
        resources = self._resources(stack)
        nested: dict[str, dict[str, str]] = {}
        count = len(resources)
        for resource in resources:
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                child = resource["PhysicalResourceId"]
                nested[resource["LogicalResourceId"]] = self._outputs(child)
                count += len(self._resources(child))
        return Deployment(stack, changed, count, self._outputs(stack), nested)

    def _resources(self, stack: str) -> list[dict[str, Any]]:
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    def _outputs(self, stack: str) -> dict[str, str]:
        found = self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _refused(stack: str, reason: str) -> Trouble:
    return Trouble(f"The deploy of {stack} was refused: {reason.strip().rstrip('.')}.", "Mend the template.")


def _in_time(deadline: float, stack: str, status: str) -> None:
    if time.monotonic() > deadline:
        raise Trouble(f"The deploy of {stack} is still {status}.", "See .local/logs/engine.log, then `make clean`.")
