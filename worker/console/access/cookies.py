"""Cookies of the console: of this host alone, for no script, with no request of another site."""

from datetime import UTC, datetime
from typing import Literal

from falcon.asgi import Request, Response

from worker.console.access.places import Place

SESSION = "relay"


def cookie_name(name: str, place: Place) -> str:
    """The cookie's name. `__Host-` has a browser take it over https from this host alone; over http on this machine
    Safari would not take it at all.
    """
    return f"__Host-{name}" if place.is_https else f"{name}-local"


def read_cookie(req: Request, name: str) -> str:
    """Its value; empty when there is none, or when another site's cookie of that name came along with it."""
    values = req.get_cookie_values(cookie_name(name, req.context.place)) or []
    return values[0] if len(values) == 1 else ""


def set_cookie(
    req: Request,
    resp: Response,
    name: str,
    value: str,
    max_age_s: int | None = None,
    same_site: Literal["Strict", "Lax"] = "Strict",
) -> None:
    """Have the browser keep it; without `max_age_s` until it is closed. `Lax`: it comes along from a link elsewhere."""
    place: Place = req.context.place
    resp.set_cookie(
        cookie_name(name, place),
        value,
        max_age=max_age_s,
        path="/",
        secure=place.is_https,
        http_only=True,
        same_site=same_site,
    )


def drop_cookie(req: Request, resp: Response, name: str) -> None:
    """Have the browser forget it: one that is over, as it takes `__Host-` only with all that belongs to it."""
    place: Place = req.context.place
    resp.set_cookie(
        cookie_name(name, place),
        "",
        expires=datetime.fromtimestamp(0, UTC),
        path="/",
        secure=place.is_https,
        http_only=True,
        same_site="Strict",
    )
