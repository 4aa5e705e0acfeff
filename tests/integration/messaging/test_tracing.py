"""Powertools' Tracer, which opens its socket to the X-Ray daemon when it is loaded, takes our handlers."""

from gpubroker.messaging import tracing
from gpubroker.messaging.tasks import task


def test_the_real_tracer_takes_our_handlers(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    tracing._tracer.cache_clear()
    try:
        assert task(lambda event: event["n"])({"n": 7}, None) == 7
    finally:
        tracing._tracer.cache_clear()
