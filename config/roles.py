"""Roles of the console, and which group or login has which."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

ANYONE = "*"


class Role(StrEnum):
    """What somebody is in the console; each may do what the one before it may, and more."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """The higher, the more it may do."""
        return tuple(Role).index(self)


def read_roles(text: str) -> dict[str, Role]:
    """The roles by group or login, as RELAY_CONSOLE_ROLES has them; `*` is everybody who can log in.

    >>> read_roles("ops=operator, anna@example.com=admin")
    {'ops': <Role.OPERATOR: 'operator'>, 'anna@example.com': <Role.ADMIN: 'admin'>}

    Raises:
        ValueError: an entry is not GROUP=ROLE.
    """
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        group, _, name = (part.strip() for part in entry.rpartition("="))
        if not group or name not in set(Role):
            raise ValueError(f'"{entry}" is not GROUP=ROLE; the roles are {", ".join(Role)}')
        found[group] = Role(name)
    return found


def role_of(roles: Mapping[str, Role], login: str, groups: Iterable[str]) -> Role | None:
    """The highest role of somebody; None: they may not enter.

    A login that is an e-mail address is compared without regard to case, a group as it is.

    >>> role_of(read_roles("ops=operator, Anna@example.com=admin"), "anna@example.com", ["ops"])
    <Role.ADMIN: 'admin'>
    """
    by_login = {name.lower() if "@" in name else name: role for name, role in roles.items() if name != ANYONE}
    known = [by_login.get(login.lower() if "@" in login else login), roles.get(ANYONE)]
    known += [roles.get(group) for group in groups if group != ANYONE]
    return max(filter(None, known), key=lambda role: role.rank, default=None)
