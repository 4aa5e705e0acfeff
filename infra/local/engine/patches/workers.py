"""Python functions run in forked workers, and fail as they do on AWS.

AWS: a failed invocation answers `{"errorMessage", "errorType", "requestId", "stackTrace"}` with errorType the name of
the exception class (Lambda developer guide, "Function errors"; Step Functions matches Retry and Catch with it: "Handle
error conditions in a state machine"); code that cannot be imported is Runtime.ImportModuleError, a process that ended
Runtime.ExitError, too slow Sandbox.Timedout; and an environment that raised an exception is used again ("Understanding
the execution environment lifecycle"). The stock engine reports Runtime.HandlerError for all of them, kills the worker,
and waits 50 ms for the log of a handler that prints nothing.

Each environment costs the stock engine a new interpreter and all its imports; here it is a fork of a process that has
imported the layer's libraries (`zygote.py`). ENGINE_PRELOAD, a comma list, says which; empty means none.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import new_uuid
from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from infra.local.engine.patching import original, replaces, replaces_handler
from infra.local.engine.unpacked import unpacked
from infra.local.engine.zygote import (
    PRELOAD,
    ForkedProcess,
    WorkerGoneError,
    WorkerTimeoutError,
    Zygote,
    base_environment,
)

logger = logging.getLogger("engine.lambda")

_INIT_SECONDS = 10  # "The Init phase is limited to 10 seconds", then it is tried again within the function's timeout

_HOPS = (lambda_runtime.INVOKE_DEPTH_ENV, lambda_runtime.INVOKE_DEPTH_HEADER)

_zygotes: dict[tuple[str, ...], Zygote] = {}
_zygotes_lock = threading.Lock()


def layers_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The folders of a function's layers."""
    archives = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
    return tuple(str(unpacked(archive)) for archive in archives if archive)


def zygote_of(config: dict[str, Any]) -> Zygote:
    """The process to fork a function's workers from: functions with the same layers share one."""
    layers = layers_of(config)
    wanted = os.environ.get("ENGINE_PRELOAD")
    preload = PRELOAD if wanted is None else tuple(name.strip() for name in wanted.split(",") if name.strip())
    with _zygotes_lock:
        return _zygotes.setdefault(layers, Zygote(layers, preload, _HOPS))


def end_unused_zygotes() -> None:
    """End those whose layers no function has any more: a new version of a layer leaves one behind."""
    configs = [function.get("config") or {} for function in list(lambda_svc._functions._data.values())]
    used = {lambda_svc._run_with_function_config_scope(config, layers_of, config) for config in configs if config}
    with _zygotes_lock:
        unused = [_zygotes.pop(layers) for layers in list(_zygotes) if layers not in used]
    for zygote in unused:
        zygote.close()


def function_environment(config: dict[str, Any], code_dir: str) -> dict[str, str]:
    """All of a function's environment variables (developer guide, "Defined runtime environment variables")."""
    _, region = lambda_runtime._account_region_from_function_config(config)
    name = config["FunctionName"]
    own = (config.get("Environment") or {}).get("Variables") or {}
    return {
        **base_environment(),
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        lambda_runtime.HOST_PREFIX_ENV: "true",
        **{key: _text(value) for key, value in own.items() if key not in lambda_runtime._RESERVED_RUNTIME_ENV_VARS},
        **lambda_runtime.execution_credentials(config),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_LOG_GROUP_NAME": (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": new_uuid(),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "LAMBDA_TASK_ROOT": code_dir,
        "_HANDLER": config.get("Handler", ""),
    }


def _text(value: Any) -> str:
    """A template's numbers and booleans become text on their way into an environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class ForkedWorker(lambda_runtime.Worker):  # type: ignore[misc]
    """One execution environment of a Python function."""

    _proc: ForkedProcess | None

    def _spawn(self) -> None:
        """Start the environment and import the handler. Raises InitFailedError."""
        code_dir = str(unpacked(self.code_zip))
        self._proc = zygote_of(self.config).fork()
        job = {
            "code_dir": code_dir,
            "handler": self.config.get("Handler", ""),
            "env": function_environment(self.config, code_dir),
        }
        seconds = max(_INIT_SECONDS, self.config.get("Timeout", 3))
        ok, problem, self._init_log = self._proc.ask(job, time.time() + seconds)
        if not ok:
            self._proc.kill()
            raise InitFailedError(problem, self._init_log)
        self._start_time = time.time()

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: int | None = None,
        durable: dict[str, str] | None = None,
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """Run the handler once. The answer is the engine's own, with `error_payload` as Lambda's body of a failure."""
        with self._lock:
            self._init_log = ""
            cold = self._proc is None or self._proc.poll() is not None
            timeout = self.config.get("Timeout", 3)
            try:
                if cold:
                    self._spawn()
                hops = None if depth is None else str(depth)
                per_call = {"_X_AMZN_TRACE_ID": trace_id, lambda_runtime.INVOKE_DEPTH_ENV: hops}
                per_call |= dict.fromkeys(lambda_runtime.DURABLE_ENV_VARS) | (durable or {})
                arn = self.config.get("FunctionArn", "") if invoked_function_arn is None else invoked_function_arn
                deadline = time.time() + timeout
                call = {
                    "event": event,
                    "request_id": request_id,
                    "invoked_function_arn": arn,
                    "deadline": deadline,
                    "env": per_call,
                }
                assert self._proc is not None  # noqa: S101 - _spawn has just set it
                ok, body, log = self._proc.ask(call, deadline)
            except InitFailedError as failure:
                ok, body, log = False, {**failure.body, "requestId": request_id}, failure.log
            except WorkerGoneError as gone:
                ok, body, log = False, _death(gone, request_id, timeout), gone.log
            if self._init_log and log is not self._init_log:
                log = f"{self._init_log}\n{log}" if log else self._init_log
        if ok:
            return {"status": "ok", "result": body, "cold_start": cold, "log": log}
        error = body["errorMessage"]
        return {"status": "error", "error": error, "error_payload": body, "cold_start": cold, "log": log}


class InitFailedError(RuntimeError):
    """The function's module could not be loaded."""

    def __init__(self, body: dict[str, Any], log: str) -> None:
        super().__init__(body["errorMessage"])
        self.body = body
        self.log = log


def _death(gone: WorkerGoneError, request_id: str, timeout: int) -> dict[str, Any]:
    """Lambda's words for an environment that is no more."""
    if isinstance(gone, WorkerTimeoutError):
        return {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds",
        }
    if os.WIFSIGNALED(gone.status):
        name = str(signal.strsignal(os.WTERMSIG(gone.status))).lower()
        reason = f"Runtime exited with error: signal: {name}"
    elif code := os.WEXITSTATUS(gone.status):
        reason = f"Runtime exited with error: exit status {code}"
    else:
        reason = "Runtime exited without providing a reason"
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"}


def apply() -> None:
    class_for = original(lambda_runtime, "_worker_class_for")
    execute = original(lambda_svc, "_execute_function_warm")
    transition = original(lambda_svc, "_schedule_state_transition")
    create = original(provisioners, "_lambda_create")
    load = original(lambda_svc, "load_persisted_state")
    reap = original(lambda_svc, "reap_idle_workers")

    @replaces(lambda_runtime)
    def _worker_class_for(config: dict[str, Any]) -> Any:
        return ForkedWorker if str(config.get("Runtime", "")).startswith("python") else class_for(config)

    @replaces(lambda_svc)
    def _execute_function_warm(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        config = func.get("config") or func
        if not func.get("code_zip") or not str(config.get("Runtime", "")).startswith("python"):
            return execute(func, event, request_id)  # type: ignore[no-any-return]
        lambda_svc._ensure_reaper_thread()
        qualifier = config.get("Version", "$LATEST")
        worker, _ = lambda_runtime.acquire_worker(config["FunctionName"], config, func["code_zip"], qualifier=qualifier)
        try:
            outcome = worker.invoke(
                event,
                request_id,
                trace_id=lambda_svc._xray_trace_id_for_invocation(config),
                invoked_function_arn=config.get("FunctionArn", ""),
                depth=lambda_svc._invoke_depth.get(),
                durable=lambda_svc._durable_env_overlay(),
            )
        finally:
            lambda_runtime.release_worker(worker)
        if outcome["status"] == "ok":
            return {"body": outcome["result"], "log": outcome["log"]}
        failure = outcome["error_payload"]
        logger.warning("%s failed: %s: %s", config["FunctionName"], failure["errorType"], failure["errorMessage"])
        return {"body": failure, "error": True, "function_error": "Unhandled", "log": outcome["log"]}

    @replaces(lambda_svc)
    def reap_idle_workers(ttl: float | None = None) -> int:
        end_unused_zygotes()
        return int(reap(ttl))

    # The libraries are there before the first call: a zygote starts with the first function of its layers.

    @replaces(lambda_svc)
    def _schedule_state_transition(func_name: str, delay: float) -> None:
        transition(func_name, delay)
        _warm_up(lambda_svc._functions.get(func_name))

    @replaces_handler("AWS::Lambda::Function", "create")
    @replaces(provisioners)
    def _lambda_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, props, stack_name)
        _warm_up(lambda_svc._functions.get(name))
        return name, attributes

    @replaces(lambda_svc)
    def load_persisted_state(data: dict[str, Any]) -> None:
        load(data)
        for function in list(lambda_svc._functions._data.values()):
            _warm_up(function)


def _warm_up(function: dict[str, Any] | None) -> None:
    config = (function or {}).get("config") or {}
    if not str(config.get("Runtime", "")).startswith("python"):
        return

    def start() -> None:
        with contextlib.suppress(OSError):  # the first invocation tries again and reports
            lambda_svc._run_with_function_config_scope(config, lambda: zygote_of(config).start())

    threading.Thread(target=start, daemon=True, name="lambda-zygote").start()
