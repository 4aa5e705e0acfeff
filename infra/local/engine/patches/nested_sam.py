"""Transforms apply to the child templates of nested applications as to the root.

AWS: "If the template uses macros or transforms, CloudFormation processes them for nested stacks as well", which is what
makes AWS::Serverless::Application work (CloudFormation User Guide, "Use of transforms in nested stacks"; the parent
acknowledges CAPABILITY_AUTO_EXPAND). The stock engine takes a child template as it is and fails with
`Unsupported resource type: AWS::Serverless::...`.
"""

from typing import Any

from ministack.services.cloudformation import engine, provisioners

from infra.local.engine.patching import original, replaces


def apply() -> None:
    check = original(provisioners, "_check_nested_stack_capabilities")

    # The one place between the parsing of a child template and its use; it is handed the parsed template itself.
    @replaces(provisioners)
    def _check_nested_stack_capabilities(parent_stack_name: str, template: dict[str, Any]) -> None:
        check(parent_stack_name, template)
        transformed = engine._apply_transforms(template)
        template.clear()
        template.update(transformed)
