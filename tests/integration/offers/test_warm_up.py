"""Right after a deploy the market is asked and published; the deploy itself never notices (R8.3, 223)."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from offers import warm_up


class CloudFormation(BaseHTTPRequestHandler):
    """The address at which CloudFormation waits for the answer."""

    def do_PUT(self):
        length = int(self.headers["content-length"])
        self.server.answers.append((self.headers["content-type"], json.loads(self.rfile.read(length))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def waiting():
    server = HTTPServer(("127.0.0.1", 0), CloudFormation)
    server.answers, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def started(monkeypatch):
    """What was started, or the error that starting raises."""
    made = []

    class Client:
        def start_execution(self, **given):
            made.append(("beat", given["stateMachineArn"]))

        def invoke(self, **given):
            made.append(("publish", given["FunctionName"], given["InvocationType"]))

    monkeypatch.setenv("BEAT_STATE_MACHINE", "the-beat")
    monkeypatch.setenv("PUBLISH_FUNCTION", "the-publisher")
    monkeypatch.setattr(warm_up, "client", lambda service: Client())
    return made


def event(kind, server, **more):
    return {
        "RequestType": kind,
        "ResponseURL": f"http://127.0.0.1:{server.server_port}/answer?signed=yes",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "WarmUp",
        **more,
    }


ANSWER = {
    "StackId": "stack",
    "RequestId": "request",
    "LogicalResourceId": "WarmUp",
    "Status": "SUCCESS",
    "PhysicalResourceId": "warm-up",
}


def test_a_new_version_starts_a_beat_and_a_publication_and_waits_for_neither(waiting, started):
    warm_up.handler(event("Update", waiting, PhysicalResourceId="warm-up"), None)
    assert started == [("beat", "the-beat"), ("publish", "the-publisher", "Event")]
    assert waiting.answers == [("", ANSWER)]


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_the_first_deploy_and_a_deletion_start_nothing_and_are_answered(waiting, started, kind):
    warm_up.handler(event(kind, waiting), None)
    assert started == []
    assert waiting.answers == [("", ANSWER)]


def test_whatever_fails_the_deploy_succeeds(waiting, started, monkeypatch, caplog):
    monkeypatch.setattr(warm_up, "client", lambda service: 1 / 0)
    warm_up.handler(event("Update", waiting), None)
    assert waiting.answers == [("", ANSWER)]
    assert "the warm-up did not start" in caplog.text


def test_an_answer_that_does_not_arrive_is_an_error_so_that_lambda_tries_again(waiting, started):
    waiting.status = 500
    with pytest.raises(OSError):
        warm_up.handler(event("Update", waiting), None)


def test_nothing_but_the_web_is_written_to(started):
    with pytest.raises(ValueError):
        warm_up.answer({"ResponseURL": "file:///etc/passwd", "StackId": "", "RequestId": "", "LogicalResourceId": ""})
