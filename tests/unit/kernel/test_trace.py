"""W3C trace context on every hop; a correlation id of its own (R6.5 (214), R15.5 (294))."""

import pytest

from gpubroker.kernel.trace import continue_trace

SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_valid_traceparent_is_continued_with_a_span_of_our_own():
    trace = continue_trace(SENT, "order-17")
    assert trace.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace.traceparent != SENT
    assert trace.correlation_id == "order-17"


@pytest.mark.parametrize(
    "forged",
    ["", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", SENT + "x", SENT.upper(), "01" + SENT[2:], SENT + "\nx: y"],
)
def test_a_broken_traceparent_starts_a_new_trace(forged):
    assert continue_trace(forged, None).trace_id != "4bf92f3577b34da6a3ce929d0e0e4736"


def test_without_one_the_trace_of_x_ray_is_used():
    trace = continue_trace(None, None, xray="Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    assert trace.trace_id == "5759e988bd862e3fe1be46a994272793"


@pytest.mark.parametrize("forged", ["a b", "x" * 129, "line\nbreak", '"quote"'])
def test_a_correlation_id_that_could_forge_a_log_line_is_replaced(forged):
    assert continue_trace(None, forged, fallback="req-1").correlation_id == "req-1"
