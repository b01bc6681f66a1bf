"""Permissions of the console, and who has which."""

from dataclasses import dataclass
from enum import StrEnum

from config.roles import Role


class Permission(StrEnum):
    """What a page or an action needs."""

    LOOK = "look"  # counts, configuration, plans; personal data is masked
    DRAFT = "draft"
    PUBLISH = "publish"
    REVEAL = "reveal"  # personal data; each time is recorded
    ACT = "act"  # pause, resume, replay, edit, discard, suppress, forget
    SECRETS = "secrets"
    ACCESS = "access"  # who may enter: sessions


_LOOKS = frozenset({Permission.LOOK})
_DRAFTS = _LOOKS | {Permission.DRAFT}
_ACTS = _DRAFTS | {Permission.PUBLISH, Permission.REVEAL, Permission.ACT}
_MAY = {
    Role.VIEWER: _LOOKS,
    Role.EDITOR: _DRAFTS,
    Role.OPERATOR: _ACTS,
    Role.ADMIN: _ACTS | {Permission.SECRETS, Permission.ACCESS},
}


def permissions(role: Role, *, editors_publish: bool = False) -> frozenset[Permission]:
    """All that a role may do; `editors_publish` is RELAY_CONSOLE_EDITORS_PUBLISH."""
    more = {Permission.PUBLISH} if editors_publish and role is Role.EDITOR else set()
    return _MAY[role] | more


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is logged in. `via` is how (link, proxy or oidc), `session_id` no secret."""

    login: str
    role: Role
    via: str
    session_id: str
    editors_publish: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether they may do it."""
        return permission in permissions(self.role, editors_publish=self.editors_publish)
