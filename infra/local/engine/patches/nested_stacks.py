"""Nested stacks: transforms and dynamic references in child templates; what an update leaves alone stays as it is.

AWS: "If the template uses macros or transforms, CloudFormation processes them for nested stacks as well", which is what
makes AWS::Serverless::Application work (CloudFormation User Guide, "Use of transforms in nested stacks"; the parent
acknowledges CAPABILITY_AUTO_EXPAND), and `{{resolve:...}}` is resolved in the properties of any stack's resources ("Get
values stored in other services using dynamic references"). The stock engine takes a child template as it is: it fails
with `Unsupported resource type: AWS::Serverless::...`, hands dynamic references on as they are written, and on an
update forgets what Fn::GetAtt gives of every resource of the child that did not change, so that any change fails.
"""

import logging
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import engine, provisioners

from infra.local.engine.patching import original, replaces


def apply() -> None:
    check = original(provisioners, "_check_nested_stack_capabilities")
    update = original(provisioners, "_update_resource")
    provision = original(provisioners, "_provision_resource")
    logging.getLogger("samtranslator.metrics.metrics").setLevel(logging.ERROR)

    # The one place between the parsing of a child template and its use; it is handed the parsed template itself.
    @replaces(provisioners)
    def _check_nested_stack_capabilities(parent_stack_name: str, template: dict[str, Any]) -> None:
        check(parent_stack_name, template)
        transformed = engine._apply_transforms(template)
        if problem := getattr(transformed, "error", None):
            raise ValueError(problem)
        if transformed is not template:
            template.clear()
            template.update(transformed)

    # The root stack's deployment resolves references before it calls these two; a nested one's does not.

    @replaces(provisioners)
    def _provision_resource(resource_type: str, logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        return provision(resource_type, logical_id, engine._resolve_dynamic_references(props)[0], stack_name)

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
        if old_props != new_props:
            new_props = engine._resolve_dynamic_references(new_props)[0]
        return update(resource_type, physical_id, old_props, new_props, stack_name, logical_id, old_attrs)
