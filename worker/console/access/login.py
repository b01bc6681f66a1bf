"""Pages of the log-in: the ways there are, the one-time link, the proxy, the way out."""

from typing import ClassVar

import falcon
from falcon.asgi import Request, Response

from worker.console.access.entry import Access
from worker.console.access.forms import read_form
from worker.console.access.places import local_path
from worker.console.access.roles import Permission
from worker.console.access.visitors import AwayError, NoRoleError, reach
from worker.store.links import PATH, find_link, take_link


class Entry:
    """A page that is for who is not logged in yet."""

    is_entry = True

    def __init__(self, access: Access) -> None:
        self.access = access

    def go_on(self, resp: Response, to: str) -> None:
        """On to a page of the console, by GET."""
        resp.status = falcon.HTTP_303
        resp.location = to

    def away(self, resp: Response, *, may_repeat: bool = False) -> None:
        """Redis does not answer."""
        text = "Nobody can be logged in until it does."
        self.access.shut(resp, 503, "Redis does not answer", text, may_repeat=may_repeat)


class LoginPage(Entry):
    """`GET /login`: the ways in. `POST /login`: enter as who the proxy says one is."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """The ways that there are here."""
        then = local_path(req.get_param("next") or "/")
        if req.context.viewer:
            return self.go_on(resp, then)
        vouched = self.access.visitors.vouched(req)
        provider = self.access.provider
        return self.access.show(
            resp,
            "login.html",
            then=then,
            link="link" in self.access.ways,
            login=vouched.login if vouched else "",
            provider=provider.name if provider else "",
        )

    async def on_post(self, req: Request, resp: Response) -> None:
        """Enter again, after a session that ended."""
        visitors = self.access.visitors
        vouched = visitors.vouched(req)
        then = local_path(((await read_form(req)).get("next") or ["/"])[-1])
        if vouched is None:
            return self.go_on(resp, "/login")
        try:
            await visitors.enter(req, resp, vouched.login, visitors.role_of(vouched.login, vouched.groups), "proxy")
        except NoRoleError:
            return self.go_on(resp, "/")  # the guard says there what they lack
        except AwayError:
            return self.away(resp)
        return self.go_on(resp, then)


class LinkPage(Entry):
    """`/login/link/{token}`: GET shows a button, POST uses the link up, so that a preview of the link does not."""

    async def on_get(self, req: Request, resp: Response, token: str) -> None:
        """Who the link is for."""
        try:
            link = await reach(lambda: find_link(self.access.client, token))
        except AwayError:
            return self.away(resp, may_repeat=True)
        if link is None:
            return self._used(req, resp)
        return self.access.show(resp, "link.html", login=link.login, role=str(link.role), here=PATH + token)

    async def on_post(self, req: Request, resp: Response, token: str) -> None:
        """Log in."""
        try:
            link = await reach(lambda: take_link(self.access.client, token))
            if link is None:
                return self._used(req, resp)
            await self.access.visitors.enter(req, resp, link.login, link.role, "link")
        except AwayError:
            return self.away(resp)
        return self.go_on(resp, "/")

    def _used(self, req: Request, resp: Response) -> None:
        self.access.failed(req, "link")
        self.access.shut(resp, 410, "This link does not work", _USED)


class Logout:
    """`POST /logout`."""

    permissions: ClassVar = {"POST": Permission.LOOK}

    def __init__(self, access: Access) -> None:
        self._access = access

    async def on_post(self, req: Request, resp: Response) -> None:
        """The session ends here and now."""
        try:
            await self._access.visitors.leave(req, resp, req.context.viewer)
        except AwayError:
            return self._access.shut(resp, 503, "Redis does not answer", "Close the browser, and try again later.")
        return self._access.shut(resp, 200, "Logged out", "You may close this page.")


_USED = (
    "It was used already, or its time is over. Somebody with a shell on the relay can make another: relay console link"
)
