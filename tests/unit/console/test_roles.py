"""Roles: who is what, and what each may do."""

import pytest

from config.roles import Role, read_roles, role_of
from config.settings import Settings
from worker.console.access.roles import Permission, Viewer

P = Permission
TABLE = {
    Role.VIEWER: {P.LOOK},
    Role.EDITOR: {P.LOOK, P.DRAFT},
    Role.OPERATOR: {P.LOOK, P.DRAFT, P.PUBLISH, P.REVEAL, P.ACT},
    Role.ADMIN: {P.LOOK, P.DRAFT, P.PUBLISH, P.REVEAL, P.ACT, P.SECRETS, P.ACCESS},
}


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_the_table_says(role):
    """The table of docs/console.md, and nothing more."""
    viewer = Viewer("anna", role, "link", "s")
    assert {permission for permission in P if viewer.may(permission)} == TABLE[role]


def test_editors_publish_where_the_setting_says_so():
    """And nobody else gains anything by it."""
    for role in Role:
        viewer = Viewer("anna", role, "link", "s", editors_publish=True)
        more = {P.PUBLISH} if role is Role.EDITOR else set()
        assert {permission for permission in P if viewer.may(permission)} == TABLE[role] | more


def test_the_highest_role_counts():
    """Of those by group, by login and of everybody."""
    roles = read_roles("ops=operator, marketing=editor, Anna@example.com=admin, *=viewer")
    assert role_of(roles, "anna@EXAMPLE.com", []) is Role.ADMIN
    assert role_of(roles, "bert@example.com", ["marketing", "ops"]) is Role.OPERATOR
    assert role_of(roles, "carl@example.com", ["Ops"]) is Role.VIEWER


def test_who_is_not_named_may_not_enter():
    """Neither by an unknown group, nor by one that is called `*`."""
    roles = read_roles("ops=operator")
    assert role_of(roles, "anna@example.com", ["*", "nobody"]) is None
    assert role_of(read_roles("*=viewer, x=admin"), "a", ["*"]) is Role.VIEWER


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RELAY_CONSOLE_ROLES", "ops=root", "not GROUP=ROLE; the roles are viewer"),
        ("RELAY_CONSOLE_ROLES", "admin", "not GROUP=ROLE"),
        ("RELAY_CONSOLE_LOGIN", "link,saml", '"saml" is no way to log in; there are: link, proxy, oidc'),
        ("RELAY_CONSOLE_URL", "console.example.com", "as in https://console.example.com"),
        ("RELAY_CONSOLE_URL", "https://e.com/console", "without a path"),
    ],
)
def test_a_wrong_setting_says_what_to_write(monkeypatch, variable, value, says):
    """In the words of the settings."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=says):
        Settings()
