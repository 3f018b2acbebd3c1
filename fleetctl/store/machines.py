"""Machines on record, with the five facts of each, and the agents that hold them."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import sqlalchemy as sa

from fleetctl.errors import Conflict, NotFound
from fleetctl.model.board import Board
from fleetctl.model.machine import Activity, Clearance, Link, Machine, MachineFacts, Position, Service
from fleetctl.model.profile import Profile, Setup, configuration_hash
from fleetctl.store import versioned
from fleetctl.store.tables import agents, machines

_all = sa.select(machines).order_by(machines.c.name)
_by_id = sa.select(machines).where(machines.c.id == sa.bindparam("key"))
_by_name = sa.select(machines).where(machines.c.name == sa.bindparam("key"))
_last_sequence = sa.select(agents.c.last_sequence).where(agents.c.name == sa.bindparam("agent"))
_set_last_sequence = (
    agents.update().where(agents.c.name == sa.bindparam("agent")).values(last_sequence=sa.bindparam("sequence"))
)
_ports = sa.select(machines.c.name, machines.c.port).order_by(machines.c.name)


_COLUMNS = tuple(machines.c.keys())

KNOWN_ROWS = 4096
"""Rows whose machine is kept at hand: the newest of some hundred machines, many times over."""


def _machine(row: sa.Row[Any]) -> Machine:
    return _of_row(*row)


@functools.lru_cache(KNOWN_ROWS)
def _of_row(*values: Any) -> Machine:
    """The machine of a row: a value, so that equal rows may share one. Reading its JSON takes longer than all else,
    and most machines are as they were when they were read last."""
    row = dict(zip(_COLUMNS, values, strict=True))
    return Machine(
        id=row["id"],
        name=row["name"],
        driver=row["driver"],
        port=row["port"],
        group=row["group_name"],
        agent=row["agent"],
        profile=msgspec.json.decode(row["profile"], type=Profile),
        setup=msgspec.json.decode(row["setup"], type=Setup),
        options=msgspec.json.decode(row["options"], type=dict[str, str]),
        configuration_hash=row["configuration_hash"],
        unattended_by=row["unattended_by"],
        facts=MachineFacts(
            link=Link(row["link"]),
            activity=Activity(row["activity"]),
            clearance=Clearance(row["clearance"]),
            service=Service(row["service"]),
            position=Position(row["position"]),
            reason=row["reason"],
        ),
        firmware=row["firmware"],
        since_s=row["since_s"],
        version=row["version"],
        board=msgspec.json.decode(row["board"], type=Board),
        board_answered=msgspec.json.decode(row["board_answered"], type=Board),
    )


def _facts(facts: MachineFacts) -> dict[str, str]:
    return {
        "link": facts.link.value,
        "activity": facts.activity.value,
        "clearance": facts.clearance.value,
        "service": facts.service.value,
        "position": facts.position.value,
        "reason": facts.reason,
    }


def add(conn: sa.Connection, machine: Machine) -> None:
    """Put a machine on record. Raises Conflict when the name is taken."""
    if conn.execute(_by_name, {"key": machine.name}).first():
        raise Conflict(f"There is a machine {machine.name} already.", machine=machine.name)
    conn.execute(
        machines.insert(),
        {
            "id": machine.id,
            "name": machine.name,
            "driver": machine.driver,
            "port": machine.port,
            "group_name": machine.group,
            "agent": machine.agent,
            "profile": msgspec.json.encode(machine.profile).decode(),
            "setup": msgspec.json.encode(machine.setup).decode(),
            "options": msgspec.json.encode(machine.options).decode(),
            "configuration_hash": machine.configuration_hash,
            "unattended_by": machine.unattended_by,
            **_facts(machine.facts),
            "firmware": machine.firmware,
            "since_s": machine.since_s,
            "version": machine.version,
            "board": _board(machine.board),
            "board_answered": _board(machine.board_answered),
        },
    )


def remove(conn: sa.Connection, machine_id: str) -> None:
    """Take a machine off the record. Its runs keep naming it, so only a machine without runs can go."""
    conn.execute(machines.delete().where(machines.c.id == machine_id))


def every(conn: sa.Connection) -> list[Machine]:
    """All machines, by name."""
    return [_machine(row) for row in conn.execute(_all)]


def ports(conn: sa.Connection) -> list[tuple[str, str]]:
    """Name and port of every machine, by name."""
    return [(row.name, row.port) for row in conn.execute(_ports)]


def get(conn: sa.Connection, machine_id: str) -> Machine:
    """The machine with this id. Raises NotFound."""
    return _found(conn.execute(_by_id, {"key": machine_id}).one_or_none(), machine_id)


def named(conn: sa.Connection, name: str) -> Machine:
    """The machine of this name. Raises NotFound."""
    return _found(conn.execute(_by_name, {"key": name}).one_or_none(), name)


def _found(row: sa.Row[Any] | None, key: str) -> Machine:
    if row is None:
        raise NotFound(f"There is no machine {key} here.")
    return _machine(row)


def set_facts(conn: sa.Connection, machine: Machine, facts: MachineFacts, at_s: float) -> None:
    """Record new facts of a machine; its version counts up."""
    _update(conn, machine.id, {**_facts(facts), "since_s": at_s})


def set_firmware(conn: sa.Connection, machine: Machine, firmware: str) -> None:
    """Record what firmware answered; it is part of the configuration, so older preflight passes become void."""
    set_setup(conn, machine, msgspec.structs.replace(machine.setup, firmware=firmware))
    _update(conn, machine.id, {"firmware": firmware})


def set_port(conn: sa.Connection, machine: Machine, port: str, options: dict[str, str]) -> None:
    """Record where the machine is plugged in now, and its options."""
    _update(conn, machine.id, {"port": port, "options": msgspec.json.encode(options).decode()})


def set_board(conn: sa.Connection, machine: Machine, board: Board, answered: Board) -> None:
    """Record which board the machine has, and which one answered last; nothing happens when both are the old ones."""
    if (board, answered) != (machine.board, machine.board_answered):
        _update(conn, machine.id, {"board": _board(board), "board_answered": _board(answered)})


def _board(board: Board) -> str:
    return msgspec.json.encode(board).decode()


def set_setup(conn: sa.Connection, machine: Machine, setup: Setup) -> None:
    """Record what is on the machine now, with the new configuration hash."""
    _update(
        conn,
        machine.id,
        {
            "setup": msgspec.json.encode(setup).decode(),
            "configuration_hash": configuration_hash(machine.profile, setup),
        },
    )


def set_unattended(conn: sa.Connection, machine: Machine, by: str | None, at_s: float) -> None:
    """Record who allowed runs without cycle start, or that nobody does any more (I14)."""
    _update(conn, machine.id, {"unattended_by": by, "unattended_at_s": at_s if by else None})


def set_holder(conn: sa.Connection, machine: Machine, agent: str) -> None:
    """Record that another agent holds a machine."""
    _update(conn, machine.id, {"agent": agent})


def _update(conn: sa.Connection, machine_id: str, values: dict[str, object]) -> None:
    versioned.change(conn, machines, machine_id, values)


def last_sequence(conn: sa.Connection, agent: str) -> int:
    """The number of the last report of this agent that is committed; 0 when none."""
    row = conn.execute(_last_sequence, {"agent": agent}).scalar_one_or_none()
    return int(row or 0)


def set_last_sequence(conn: sa.Connection, agent: str, sequence: int) -> None:
    """Record that the report with this number is committed."""
    conn.execute(_set_last_sequence, {"agent": agent, "sequence": sequence})


def set_agent(conn: sa.Connection, agent: str, journal_id: str, version: str) -> None:
    """Record that an agent connected. A new journal counts its reports from 1 again."""
    known = conn.execute(sa.select(agents.c.journal_id).where(agents.c.name == agent)).scalar_one_or_none()
    if known is None:
        conn.execute(agents.insert().values(name=agent, journal_id=journal_id, version=version, last_sequence=0))
    elif known == journal_id:
        conn.execute(agents.update().where(agents.c.name == agent).values(version=version))
    else:
        values = {"journal_id": journal_id, "version": version, "last_sequence": 0}
        conn.execute(agents.update().where(agents.c.name == agent).values(values))
