"""What a visitor may do, and which role may do it. Knows nothing of requests or routes."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Permission(StrEnum):
    """What a route asks of whoever calls it (I11)."""

    PUBLIC = "public"
    VIEW = "view"
    SUBMIT = "submit"
    OPERATE = "operate"
    ADMIN = "admin"


PHRASE: dict[Permission, str] = {
    Permission.PUBLIC: "anybody who reaches the address",
    Permission.VIEW: "see machines, jobs and parts",
    Permission.SUBMIT: "send programs and jobs, and stop machines",
    Permission.OPERATE: "run the floor: clear, start, pause, inspect",
    Permission.ADMIN: "add machines and hand out tokens",
}

_EVERYBODY = frozenset({Permission.PUBLIC, Permission.VIEW})
_SUBMIT = _EVERYBODY | {Permission.SUBMIT}
_OPERATE = _SUBMIT | {Permission.OPERATE}

ROLES: dict[str, frozenset[Permission]] = {
    "viewer": _EVERYBODY,
    "submit": _SUBMIT,
    "operator": _OPERATE,
    "admin": _OPERATE | {Permission.ADMIN},
}
"""Permissions of each role. A submitter may press stop: whoever stands beside a burning machine may stop it."""


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `by_cookie` says that a browser sent the proof by itself, so the request may be forged."""

    name: str
    role: str
    by_cookie: bool = False

    @property
    def actor(self) -> str:
        """How the records name this visitor, such as `admin` or `operator:demo`."""
        return self.role if self.name in ("", self.role) else f"{self.role}:{self.name}"

    def may(self, permission: Permission) -> bool:
        """Whether the visitor's role includes the permission; an unknown role has none but PUBLIC."""
        return permission is Permission.PUBLIC or permission in ROLES.get(self.role, frozenset())


NOBODY = Visitor(name="", role="")


def role_for(permission: Permission) -> str:
    """The least role that has a permission, for the sentence of a refusal."""
    return next((role for role, permissions in ROLES.items() if permission in permissions), "admin")
