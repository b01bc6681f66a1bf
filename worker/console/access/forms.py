"""Fields of a posted form, read once a request within a bound."""

import falcon
from falcon.asgi import Request

MAX_BYTES = 2_000_000
# The largest form has two for each event code; what a page does with a field takes longer than to read it.
MAX_FIELDS = 5_000
# Of a stranger's, which goes back to them.
KEPT_BYTES = 100_000


async def read_form(req: Request) -> dict[str, list[str]]:
    """Every value of each field, in order; kept for whoever asks again.

    Raises:
        falcon.HTTPContentTooLarge: it is larger than `MAX_BYTES`, or has more than `MAX_FIELDS`.
        falcon.HTTPUnsupportedMediaType: it is no form as browsers post it by default.
    """
    known: dict[str, list[str]] | None = getattr(req.context, "form", None)
    if known is not None:
        return known
    if not _is_form(req):
        raise falcon.HTTPUnsupportedMediaType(description=f"post the form as {falcon.MEDIA_URLENCODED}")
    if (req.content_length or 0) > MAX_BYTES:
        raise falcon.HTTPContentTooLarge
    raw = await req.stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise falcon.HTTPContentTooLarge
    if raw.count(b"&") >= MAX_FIELDS:
        raise falcon.HTTPContentTooLarge(
            description=f"A form has {MAX_FIELDS:,} fields at most: change less at a time."
        )
    fields = falcon.uri.parse_query_string(raw.decode("utf-8", "replace"), keep_blank=True, csv=False)
    req.context.form = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    return dict(req.context.form)


def _is_form(req: Request) -> bool:
    return (req.content_type or falcon.MEDIA_URLENCODED).partition(";")[0].strip().lower() == falcon.MEDIA_URLENCODED


def may_be_kept(req: Request) -> bool:
    """Whether what somebody sent who is not logged in can be shown to them again, to be sent once they are."""
    return _is_form(req) and 0 < (req.content_length or 0) <= KEPT_BYTES


def entered(fields: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Each field with each of its values, but for the token of a session."""
    return [(name, value) for name, values in fields.items() if name != "csrf" for value in values]
