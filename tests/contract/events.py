"""The facts of one context as events/<context>/ describes them, and as the relay gives them to the bus."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gpubroker.kernel.events import Event
from gpubroker.messaging import relay
from gpubroker.storage.outbox import encode
from infra.rules.templates import ROOT


@dataclass(frozen=True)
class Facts:
    context: str

    @property
    def folder(self) -> Path:
        return ROOT / "events" / self.context

    def schema_of(self, kind: str) -> dict[str, Any]:
        schema: dict[str, Any] = json.loads((self.folder / f"{kind}.v1.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        return schema

    def sample_of(self, kind: str) -> dict[str, Any]:
        sample: dict[str, Any] = json.loads((self.folder / f"{kind}.v1.json").read_text())
        return sample

    def published(self, event: Event, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """The entry that the relay gives to the bus for an event."""
        entries: list[dict[str, Any]] = []

        class Bus:
            def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, int]:  # noqa: N803 - boto3's spelling
                entries.extend(Entries)
                return {"FailedEntryCount": 0}

        monkeypatch.setenv("EVENT_BUS", "gpubroker")
        monkeypatch.setattr(relay, "_client", lambda service: Bus())
        relay.publish([json.loads(encode(event, source=self.context, target="bus"))])
        return entries[0]
