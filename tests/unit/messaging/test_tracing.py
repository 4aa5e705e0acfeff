"""X-Ray where it is sampled, and not an import of it elsewhere (R6.5 (214))."""

import subprocess
import sys

import pytest

from gpubroker.messaging import tracing
from gpubroker.messaging.tasks import task

SAMPLED = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


class _Tracer:
    def __init__(self):
        self.segments = []

    def capture_lambda_handler(self, handler, capture_response):
        assert capture_response is False  # answers hold connection details

        def captured(event, context):
            self.segments.append(handler.__name__)
            return handler(event, context)

        return captured


@pytest.mark.parametrize(("variable", "segments"), [(SAMPLED, 1), (SAMPLED[:-1] + "0", 0), ("", 0)])
def test_a_sampled_invocation_is_traced_and_another_is_not(monkeypatch, variable, segments):
    tracer = _Tracer()
    monkeypatch.setattr(tracing, "_tracer", lambda: tracer)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", variable)
    assert task(lambda event: event["n"])({"n": 7}, None) == 7
    assert len(tracer.segments) == segments


def test_the_sdk_is_not_loaded_before_it_is_needed():
    program = "import sys, gpubroker.messaging.tasks; sys.exit('aws_xray_sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
