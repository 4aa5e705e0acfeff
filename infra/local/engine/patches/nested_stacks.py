"""Nested stacks: transforms apply to child templates, and a resource that an update leaves alone keeps its attributes.

AWS: "If the template uses macros or transforms, CloudFormation processes them for nested stacks as well", which is what
makes AWS::Serverless::Application work (CloudFormation User Guide, "Use of transforms in nested stacks"; the parent
acknowledges CAPABILITY_AUTO_EXPAND). The stock engine takes a child template as it is and fails with
`Unsupported resource type: AWS::Serverless::...`; and on an update it forgets what Fn::GetAtt gives of every resource
of the child that did not change, so that any change of a nested stack fails.
"""

import logging
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import engine, provisioners

from infra.local.engine.patching import original, replaces


def apply() -> None:
    check = original(provisioners, "_check_nested_stack_capabilities")
    update = original(provisioners, "_update_resource")
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)

    # The one place between the parsing of a child template and its use; it is handed the parsed template itself.
    @replaces(provisioners)
    def _check_nested_stack_capabilities(parent_stack_name: str, template: dict[str, Any]) -> None:
        check(parent_stack_name, template)
        transformed = engine._apply_transforms(template)
        if problem := getattr(transformed, "error", None):
            raise ValueError(problem)
        template.clear()
        template.update(transformed)

    # Nested stacks call it without `old_attrs`; their record still has them.
    @replaces(provisioners)
    def _update_resource(
        resource_type: str,
        physical_id: str,
        old_props: dict[str, Any],
        new_props: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
        old_attrs: dict[str, Any] | None = None,
    ) -> Any:
        if old_attrs is None:
            resources = (cloudformation._stacks.get(stack_name) or {}).get("_resources") or {}
            old_attrs = (resources.get(logical_id) or {}).get("Attributes")
        return update(resource_type, physical_id, old_props, new_props, stack_name, logical_id, old_attrs)
