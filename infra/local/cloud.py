"""The whole house on one machine: starts it, deploys it, serves it on one port, and ends it without a trace."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from infra.local import aws, children, credentials, market, paths, payments, ports, redis_server
from infra.local.deployer import Deployer, Deployment
from infra.local.processes import Processes
from infra.local.progress import Progress
from infra.local.providers.keys import local_keys
from infra.local.providers.paths import EXCHANGE_RATES_PATH, PAYMENTS_PATH
from infra.local.trouble import Trouble

ROOT = Path(__file__).resolve().parents[2]
STACK = "gpubroker"
START_SECONDS = 30.0


class LocalCloud:
    """One local cloud, kept in one directory. Start and stop it as often as you like; its state stays there.

    `port` is where people find it (0: any free one). `template` and `stack` are arguments for tests.
    `live` leaves the providers' real addresses in place (prices without a key; nothing can be rented).
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        live: bool = False,
        template: Path | None = None,
        progress: Progress | None = None,
        engine_settings: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.processes = Processes(self.directory)
        self.live = live
        self._port = port
        self._template = template or ROOT / "template.yaml"
        self._progress = progress or Progress(quiet=True)
        self._engine_settings = engine_settings or {}

    # ------------------------------------------------------------ what it is

    @property
    def environment(self) -> dict[str, Any]:
        """`environment.json`: where everything is, and a ready caller of each role. Raises Trouble when not up."""
        path = self.directory / "environment.json"
        if not path.exists():
            raise Trouble("The local cloud is not running.", "Start it with `make up`.")
        environment: dict[str, Any] = json.loads(path.read_text())
        return environment

    @property
    def ports(self) -> dict[str, int]:
        """The port of each child, as chosen at the last start."""
        path = self.directory / "ports.json"
        remembered: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return remembered

    @property
    def endpoint_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.ports['engine']}"

    @property
    def base_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.ports['front']}"

    @property
    def providers_url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.ports['providers']}"

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run: from the end of a start to the beginning of a stop."""
        return (self.directory / "environment.json").exists()

    def alive(self) -> dict[str, bool]:
        """Which children run."""
        found = {child.name: child.alive() for child in self.processes.children()}
        return {name: found.get(name, False) for name in children.NAMES}

    # ------------------------------------------------------------ start and stop

    def start(self) -> dict[str, Any]:
        """Return when it serves. Already running: deploy what changed. Half running (a crash): end it and start."""
        with self._alone():
            if all(self.alive().values()) and self.wanted:
                self._same_port()
                return self._furnish()
            self._end()
            self._forget_the_other_market()
            self._choose_ports()
            try:
                with self._progress.step("redis, engine and providers"):
                    for name in ("redis", "engine", "providers"):
                        self._launch(name)
                    for name in ("redis", "engine", "providers"):
                        self._await(name)
                return self._furnish()
            except BaseException:
                self._end()
                raise

    def stop(self) -> None:
        """End every process; what was stored stays in the directory for the next start."""
        with self._alone():
            self._end()

    def launch(self, name: str) -> None:
        """Start one child again after `end_child`, and wait for it."""
        self._launch(name)
        self._await(name)

    def end_child(self, name: str, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End one child: what a crash, an upgrade or a failing machine would do."""
        self.processes.stop(name, how=how)

    # ------------------------------------------------------------ the steps

    def _furnish(self) -> dict[str, Any]:
        with self._progress.step("deploying template.yaml") as note:
            deployment = self._deploy()
            note(f"{deployment.resources} resources" if deployment.changed else "nothing changed")
        self._give_provider_keys(deployment)
        payments.introduce(self.endpoint_url, self._output(deployment, "PaymentsSecretArn"))
        with self._progress.step("front"):
            self._configure_front(deployment)
            self._start_front()
        payments.lead_webhooks(self.providers_url, self.base_url)
        market.start_first_minute(self.endpoint_url, deployment.nested)
        with self._progress.step("callers") as note:
            callers = self._callers()
            note(", ".join(callers))
        with self._progress.step("market") as note:
            note(market.fill(self.base_url, live=self.live))
        environment = {
            "base_url": self.base_url,
            "ws_url": self.base_url.replace("http", "ws", 1) + "/ws",
            "aws_endpoint_url": self.endpoint_url,
            "region": aws.REGION,
            "credentials": callers,
            "providers_url": self.providers_url,
            "redis_url": redis_server.url(self.ports["redis"]),
            "live": self.live,
            "stack": {"outputs": deployment.outputs, "nested": deployment.nested},
        }
        self._write("environment.json", environment)
        return environment

    def _callers(self) -> dict[str, dict[str, str]]:
        kept = self.directory / "callers.json"
        admin = credentials.AdminCommand(ROOT, self.processes.environment(aws.variables(self.endpoint_url)))
        keep = partial(self._write, kept.name)
        return credentials.Callers(self.base_url, keep, credentials.read(kept), admin).ready()

    def _deploy(self) -> Deployment:
        return Deployer(self.endpoint_url).deploy(
            self._template,
            STACK,
            {
                "Environment": "local",
                "RuntimeVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
                "RedisUrl": redis_server.url(self.ports["redis"]),
                "ProvidersUrl": "" if self.live else self.providers_url,
                # Money is simulated in any case: a card that is charged here is nobody's.
                "PaymentsUrl": f"{self.providers_url}{PAYMENTS_PATH}",
                "ExchangeRatesUrl": "" if self.live else f"{self.providers_url}{EXCHANGE_RATES_PATH}",
                # The ready callers of .local/environment.json last a working day; the product's default is 15 min.
                "AccessTokenSeconds": "43200",
            },
        )

    def _give_provider_keys(self, deployment: Deployment) -> None:
        """Fill the secret that an operator fills on AWS (docs/aws.md), with the keys that the simulated ones know."""
        arn = self._output(deployment, "ProviderKeysSecretArn")
        keys = json.dumps({} if self.live else local_keys())
        vault = aws.client("secretsmanager", self.endpoint_url)
        if vault.get_secret_value(SecretId=arn)["SecretString"] != keys:
            vault.put_secret_value(SecretId=arn, SecretString=keys)

    def _configure_front(self, deployment: Deployment) -> None:
        apis: dict[str, dict[str, str]] = {}
        for name, outputs in deployment.nested.items():
            named = {"public": outputs.get("ApiId"), "internal": outputs.get("InternalApiId")}
            apis[name.lower()] = {kind: api_id for kind, api_id in named.items() if api_id}
        for route in paths.read():
            if route.api not in apis.get(route.context, {}):
                raise Trouble(
                    f"infra/paths.yaml sends {route.prefix} to the {route.api} API of {route.context},"
                    " which the deployed stack has no output for.",
                    f"Add the output to infra/{route.context}.yaml or take the line out.",
                )
        websocket = next((o["WebSocketApiId"] for o in deployment.nested.values() if "WebSocketApiId" in o), "")
        self._write(
            "front.json",
            {
                "engine": self.endpoint_url,
                "apis": apis,
                "websocket_api": websocket,
                "edge_secret": self._edge_secret(deployment),
            },
        )

    def _edge_secret(self, deployment: Deployment) -> str:
        """The secret that the platform stack generated."""
        arn = self._output(deployment, "EdgeSecretArn")
        value: str = aws.client("secretsmanager", self.endpoint_url).get_secret_value(SecretId=arn)["SecretString"]
        return value

    @staticmethod
    def _output(deployment: Deployment, name: str) -> str:
        if name not in deployment.outputs:
            raise Trouble(f"template.yaml has no output {name}, which the local cloud needs.", "Add it.")
        return deployment.outputs[name]

    def _start_front(self) -> None:
        child = self.processes.child("front")
        if child and child.alive():
            os.kill(child.pid, signal.SIGHUP)
        else:
            self.launch("front")

    def _launch(self, name: str) -> None:
        command = children.command(name, self.ports[name], self.directory)
        settings = self._engine_settings if name == "engine" else children.settings(name, self.directory)
        self.processes.start(name, command, env=settings, cwd=ROOT)

    def _await(self, name: str) -> None:
        child = self.processes.child(name)
        if child is None:
            raise Trouble(f"{name} was never started.", "Run `make up`.")
        self.processes.wait_until(child, partial(children.is_ready, name, self.ports[name]), seconds=START_SECONDS)

    def _end(self) -> None:
        # First of all: it says to everyone (a `make run` elsewhere, too) that this cloud is meant to be down.
        (self.directory / "environment.json").unlink(missing_ok=True)
        for name in children.NAMES:
            self.processes.stop(name)
        self.processes.sweep()
        (self.directory / "front.json").unlink(missing_ok=True)
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)

    def _forget_the_other_market(self) -> None:
        """Simulated and live offers never stand side by side: changing over starts from nothing."""
        mode = self.directory / "market"
        wanted = "live" if self.live else "simulated"
        if mode.exists() and mode.read_text() != wanted:
            for stored in ("engine", "providers"):
                shutil.rmtree(self.directory / stored, ignore_errors=True)
        mode.write_text(wanted)

    def _choose_ports(self) -> None:
        wanted = self._port
        if wanted:
            ports.require_free(wanted)
        remembered = self.ports
        chosen = ports.choose(("front", "engine", "redis", "providers"), remembered)
        self._write("ports.json", chosen | ({"front": wanted} if wanted else {}))

    def _same_port(self) -> None:
        if self._port and self._port != self.ports["front"]:
            raise Trouble(
                f"The local cloud runs on port {self.ports['front']} already.",
                "Stop it with `make down` before moving it.",
            )

    def _write(self, name: str, content: dict[str, Any]) -> None:
        """Replace a file in one step, readable by this user only (some hold secrets)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        temporary = self.directory / f".{name}.{secrets.token_hex(4)}"
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        temporary.replace(self.directory / name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One start or stop at a time for a directory."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Trouble("The local cloud is being started or stopped.", "Wait for the other command.") from error
            yield
