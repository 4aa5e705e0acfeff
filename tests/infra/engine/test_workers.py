"""Python Lambda functions fail, log and live as on AWS (infra/local/engine/patches/workers.py)."""

import base64
import time

import pytest

from .conftest import quickest


@pytest.fixture(scope="session")
def failing(engine):
    return engine.function(
        """
        import os, sys, time

        CALLS = []

        class OfferGoneError(Exception):
            pass

        def handler(event, context):
            CALLS.append(event)
            match event:
                case "raise":
                    raise OfferGoneError("no longer there")
                case "exit":
                    sys.exit(3)
                case "die":
                    os.kill(os.getpid(), 11)
                case "set":
                    return {1, 2}
                case "big":
                    return "x" * 7_000_000
                case "print":
                    print("a line for the log")
                case "flood":
                    print("x" * 1_000_000)
                case "slow":
                    time.sleep(30)
            return {"pid": os.getpid(), "calls": len(CALLS), "left": context.get_remaining_time_in_millis()}
        """,
        Timeout=1,
    )


def test_an_exception_arrives_with_its_class_its_words_and_its_stack(engine, failing):
    body, error = engine.invoke(failing, "raise")
    assert error == "Unhandled"
    assert body["errorType"] == "OfferGoneError"
    assert body["errorMessage"] == "no longer there"
    assert body["requestId"]
    assert 'raise OfferGoneError("no longer there")' in body["stackTrace"][-1]
    assert "worker.py" not in "".join(body["stackTrace"])


def test_the_environment_survives_an_exception_and_is_used_again(engine, failing):
    before, _ = engine.invoke(failing)
    engine.invoke(failing, "raise")
    after, _ = engine.invoke(failing)
    assert after["pid"] == before["pid"]
    assert after["calls"] == before["calls"] + 2


def test_a_result_that_is_no_json_is_a_marshal_error(engine, failing):
    body, _ = engine.invoke(failing, "set")
    assert body["errorType"] == "Runtime.MarshalError"


def test_a_response_over_six_megabytes_is_refused(engine, failing):
    body, _ = engine.invoke(failing, "big")
    assert body["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(("how", "words"), [("exit", "exit status 3"), ("die", "signal: segmentation fault")])
def test_a_process_that_ends_is_an_exit_error_and_the_next_call_finds_a_new_one(engine, failing, how, words):
    before, _ = engine.invoke(failing)
    body, error = engine.invoke(failing, how)
    assert (error, body["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert words in body["errorMessage"]
    after, _ = engine.invoke(failing)
    assert after["pid"] != before["pid"]
    assert after["calls"] == 1


def test_a_handler_over_its_timeout_is_ended_at_its_timeout(engine, failing):
    started = time.monotonic()
    body, _ = engine.invoke(failing, "slow")
    assert body["errorType"] == "Sandbox.Timedout"
    assert "timed out after 1.00 seconds" in body["errorMessage"]
    assert 0.9 < time.monotonic() - started < 4


def test_the_log_of_a_call_is_complete_however_long(engine, failing):
    answer = engine.client("lambda").invoke(FunctionName=failing, Payload='"print"', LogType="Tail")
    assert b"a line for the log" in base64.b64decode(answer["LogResult"])
    assert engine.invoke(failing, "flood")[1] is None


@pytest.mark.parametrize(
    ("source", "handler", "kind"),
    [
        ("import not_there", "app.handler", "Runtime.ImportModuleError"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("", "app.handler", "Runtime.HandlerNotFound"),
        ("raise KeyError('SETTING')", "app.handler", "KeyError"),
    ],
)
def test_code_that_cannot_be_loaded_says_why(engine, source, handler, kind):
    name = engine.function(source, handler=handler)
    for _ in range(2):
        body, error = engine.invoke(name)
        assert (error, body["errorType"]) == ("Unhandled", kind)


def test_a_warm_call_through_lambda_takes_milliseconds_though_nothing_is_printed(engine):
    name = engine.function("handler = lambda event, context: event")
    engine.invoke(name)
    assert quickest(lambda: engine.invoke(name, {"a": 1}), 20) < 0.025  # stock: 50 ms for a log that never comes
