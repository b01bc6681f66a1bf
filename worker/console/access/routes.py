"""Routes of the log-in: a page for each way in that there is here, and the way out."""

import falcon.asgi
from falcon.asgi import Request, Response

from worker.console.access.entry import Access
from worker.console.access.login import LinkPage, LoginPage, Logout


def add_routes(app: falcon.asgi.App[Request, Response], access: Access) -> None:
    """Add them to the console."""
    app.add_route("/login", LoginPage(access))
    app.add_route("/logout", Logout(access))
    if "link" in access.ways:
        app.add_route("/login/link/{token}", LinkPage(access))
    if access.provider:
        from worker.console.access import oidc_pages  # noqa: PLC0415 - an extra

        app.add_route("/login/oidc", oidc_pages.OidcStart(access))
        app.add_route("/login/oidc/callback", oidc_pages.OidcCallback(access))
