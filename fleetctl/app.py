"""Wires the controller together: the real one and the simulated one are built here, from the same parts, with
other surroundings (`Seams`). The agent's process is wired in `agent_app`, so that it loads nothing of this."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from fleetctl import __version__
from fleetctl.api.server import listen, make_app
from fleetctl.clock import Clock, SystemClock
from fleetctl.config import Config
from fleetctl.driver.api import DriverType
from fleetctl.errors import ConfigurationError
from fleetctl.fleet.agent_desk import AgentDesk
from fleetctl.fleet.agents import Agents
from fleetctl.fleet.bus import Bus
from fleetctl.fleet.checks import Checks
from fleetctl.fleet.continuing import Continuing
from fleetctl.fleet.controller import Controller
from fleetctl.fleet.discovery import Discovery
from fleetctl.fleet.dispatcher import Dispatcher
from fleetctl.fleet.gate import Gate
from fleetctl.fleet.hooks import Hooks, HookSource, RunInThread
from fleetctl.fleet.intake import Intake, OffLoop
from fleetctl.fleet.jobs import Jobs
from fleetctl.fleet.jogging import Jogging
from fleetctl.fleet.link import AgentLink, Dial
from fleetctl.fleet.local_agent import LocalAgent, stuck_in
from fleetctl.fleet.machines import Machines
from fleetctl.fleet.operating import Operating
from fleetctl.fleet.panel import Panels
from fleetctl.fleet.parts import Parts
from fleetctl.fleet.paths import Paths
from fleetctl.fleet.record import Record
from fleetctl.fleet.renewal import Renewal
from fleetctl.fleet.runs import Runs
from fleetctl.fleet.stop import StopButton
from fleetctl.fleet.telemetry import Telemetry
from fleetctl.fleet.tokens import LINK_LASTS_S, Tokens
from fleetctl.fleet.transforming import Transforming
from fleetctl.fleet.views import Views
from fleetctl.lock import DataDirectoryLock
from fleetctl.model.identity import NewId, fresh_ids
from fleetctl.model.messages import Leave
from fleetctl.plugin.manager import PluginManager
from fleetctl.store import migrate
from fleetctl.store.blobs import BlobStore
from fleetctl.store.database import Database
from fleetctl.store.reader import Reader, StoreReader
from fleetctl.store.tokens import Role
from fleetctl.store.writer import OnCommit, StoreWriter, Writer

log = logging.getLogger(__name__)

ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Seams:
    """What the controller stands on: real in `serve`, virtual in the simulation."""

    clock: Clock
    rng: random.Random
    new_id: NewId
    new_secret: Callable[[], str]
    open_writer: Callable[[OnCommit], StoreWriter]
    reader: StoreReader
    blobs: BlobStore
    dials: Mapping[str, Dial]
    drivers: Mapping[str, DriverType]
    hooks: HookSource
    off_loop: OffLoop
    run_in_thread: RunInThread
    new_dial: Callable[[str], Dial] | None = None
    """How an agent is reached that a machine is given to; None: there are no others than those of `dials`."""
    stuck: Callable[[str], str] = lambda _agent: ""
    """What holds an agent of this computer up at this moment, as its watchdog wrote it; empty when nothing does."""
    version: str = ""
    """Ours: an agent of another one is replaced when it is idle. Empty: any will do."""


def build_controller(site: str, seams: Seams) -> Controller:
    """The controller on these seams; it does nothing before `run`."""
    bus = Bus()
    record = Record(seams.open_writer(bus.publish), seams.reader, seams.clock, seams.new_id)
    telemetry = Telemetry(seams.clock)

    def make_link(name: str) -> AgentLink:
        dial = seams.dials.get(name)
        if dial is None:
            assert seams.new_dial is not None  # else nobody is given this function
            dial = seams.new_dial(name)
        return AgentLink(name, site, dial, record, telemetry, seams.clock, seams.rng, seams.version)

    agents = Agents({name: make_link(name) for name in seams.dials}, make_link if seams.new_dial else None)
    renewal = Renewal(record, seams.blobs, seams.off_loop)
    gate = Gate(record, renewal.renewed)
    hooks = Hooks(seams.hooks, seams.run_in_thread)
    views = Views(record, agents, telemetry, gate)
    stop = StopButton(record, agents, views, seams.clock)
    transforming = Transforming(record, seams.blobs, views, seams.off_loop)
    profiles = {name: driver.profiles for name, driver in seams.drivers.items()}
    machines = Machines(record, agents, views, profiles)
    return Controller(
        record=record,
        agents=agents,
        bus=bus,
        telemetry=telemetry,
        intake=Intake(record, seams.blobs, views, seams.off_loop),
        transforming=transforming,
        continuing=Continuing(record, agents, gate, transforming, views, lambda: stop.owed),
        paths=Paths(seams.blobs, views, seams.off_loop),
        machines=machines,
        panels=Panels(record, agents, machines, telemetry),
        agent_desk=AgentDesk(record, agents, seams.stuck),
        operating=Operating(record, agents),
        jogging=Jogging(record, agents, seams.clock),
        discovery=Discovery(hooks, record),
        runs=Runs(record, agents),
        jobs=Jobs(record),
        parts=Parts(record, views),
        stop=stop,
        views=views,
        tokens=Tokens(record, seams.new_secret),
        dispatcher=Dispatcher(record, agents, gate, seams.clock, lambda: stop.owed),
        checks=Checks(record, hooks, seams.clock),
        renewal=renewal,
    )


async def serve(config: Config, say: Callable[[str], None] = print) -> None:
    """Run the controller and its web interface until a signal says to stop; `say` tells the person where to look."""
    async with _controller(config) as controller:
        server = await _listen(controller, config)
        url = _address(config, server.addresses[0][1])
        _tell_address(config, url)
        try:
            create = controller.tokens.create
            link = await create("first start", Role.ADMIN, ADMIN, expires_s=LINK_LASTS_S, kind="link")
            say(f"fleetctl is at {url}/\nSign in with this link, once, within an hour:\n{url}/login?once={link}")
            await _until_signalled(controller)
        finally:
            config.address_file.unlink(missing_ok=True)
            await server.cleanup()


def _tell_address(config: Config, url: str) -> None:
    """Write the address where the command line finds it, whole or not at all."""
    unfinished = config.address_file.with_suffix(".new")
    unfinished.write_text(url + "\n")
    unfinished.replace(config.address_file)


async def _listen(controller: Controller, config: Config) -> web.AppRunner:
    try:
        return await listen(make_app(controller, config), config.listen_host, config.listen_port)
    except OSError as error:
        address = f"{config.listen_host}:{config.listen_port}"
        hint = "Another program may have it; choose another with --listen HOST:PORT."
        raise ConfigurationError(f"Cannot listen on {address}: {os.strerror(error.errno or 0)}.", hint=hint) from None


@asynccontextmanager
async def _controller(config: Config) -> AsyncIterator[Controller]:
    """The real controller on an open store; everything is closed again in reverse order."""
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock = SystemClock()
    rng = random.SystemRandom()
    async with AsyncExitStack() as stack:
        stack.enter_context(DataDirectoryLock(config.data, "controller"))
        database = Database.open(config.database_url)
        stack.callback(database.close)
        migrate.upgrade(database)
        blobs = BlobStore(config.programs)
        blobs.sweep_temp()
        reader = Reader(database)
        stack.push_async_callback(reader.close)

        def open_writer(on_commit: OnCommit) -> StoreWriter:
            writer = Writer(database, on_commit)
            stack.push_async_callback(writer.close)
            return writer

        plugins = PluginManager()
        plugins.load()

        def new_dial(name: str) -> Dial:
            return LocalAgent(config.of_agent(name), clock).dial

        controller = build_controller(
            config.site,
            Seams(
                clock=clock,
                rng=rng,
                new_id=fresh_ids(clock.wall, rng.getrandbits),
                new_secret=functools.partial(secrets.token_urlsafe, 32),
                open_writer=open_writer,
                reader=reader,
                blobs=blobs,
                dials={config.agent: new_dial(config.agent)},
                new_dial=new_dial,
                version=__version__,
                stuck=lambda name: stuck_in(config.of_agent(name)),
                drivers=plugins.drivers(),
                hooks=plugins,
                off_loop=asyncio.to_thread,
                run_in_thread=asyncio.to_thread,
            ),
        )
        await _keep_admin_token(config, controller)
        yield controller


async def _keep_admin_token(config: Config, controller: Controller) -> None:
    """The administrator's token lives in a file that only the owner can read, made on the first start."""
    if not config.admin_token.exists():
        descriptor = os.open(config.admin_token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    secret = config.admin_token.read_text().strip()
    if await controller.tokens.check(secret) is None:
        await controller.tokens.store(ADMIN, Role.ADMIN, secret, ADMIN)


def _address(config: Config, port: int) -> str:
    host = config.listen_host if config.listen_host not in ("0.0.0.0", "::") else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def _until_signalled(controller: Controller) -> None:
    """Drive the site until the process is told to stop. Agents then end once nothing runs any more; the next
    start finds what happened meanwhile in their journals."""
    task = asyncio.ensure_future(controller.run())

    def stop() -> None:
        log.info("stopping; runs go on and are adopted at the next start")
        controller.agents.leave(Leave(when="idle"))
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with contextlib.suppress(asyncio.CancelledError):
        await task
