"""Ways to log in to the console: which are on, and what each of them needs."""

from importlib.util import find_spec
from urllib.parse import urlsplit

from config.settings import Settings
from worker.console.access.places import is_loopback
from worker.errors import OperatorError

_SECRET_CHARS = 16


def ways(chosen: Settings) -> tuple[str, ...]:
    """The ways that are on: link, proxy, oidc.

    Raises:
        OperatorError: none is, or one lacks something; says what to set.
    """
    found = tuple(dict.fromkeys(way.strip() for way in chosen.console_login.split(",") if way.strip()))
    if not found:
        raise OperatorError(
            "nobody could log in to the console: set RELAY_CONSOLE_LOGIN=link (then `relay console link` makes links "
            "for one log-in), proxy or oidc; docs/console.md has an example of each"
        )
    url = urlsplit(chosen.console_url)
    if url.netloc and url.scheme != "https" and not is_loopback(url.netloc):
        raise OperatorError("RELAY_CONSOLE_URL is not https: browsers would send the session's cookie for all to read")
    for way in found:
        if lacks := _lacks(way, chosen):
            raise OperatorError(f"RELAY_CONSOLE_LOGIN={way} needs {lacks}")
    return found


def _lacks(way: str, chosen: Settings) -> str:
    """What a way lacks, as text; empty when it has everything."""
    if way == "link":
        return ""
    needed = {
        "RELAY_CONSOLE_URL (where people open the console)": chosen.console_url,
        "RELAY_CONSOLE_ROLES (as in ops=operator,*=viewer)": chosen.console_roles,
    }
    if way == "proxy":
        secret = chosen.console_proxy_secret.get_secret_value()
        needed[f"RELAY_CONSOLE_PROXY_SECRET ({_SECRET_CHARS} characters or more)"] = secret[_SECRET_CHARS - 1 :]
    else:
        issuer = urlsplit(chosen.console_oidc_issuer)
        safe = issuer.scheme == "https" or is_loopback(issuer.netloc)
        needed["RELAY_CONSOLE_OIDC_ISSUER (https)"] = issuer.netloc if safe else ""
        needed["RELAY_CONSOLE_OIDC_CLIENT_ID"] = chosen.console_oidc_client_id
        needed["the extra oidc (pip install purchasely-customerio-relay[oidc])"] = "yes" if find_spec("authlib") else ""
    return " and ".join(name for name, value in needed.items() if not value)
