"""A form as a browser posts it: every text field, and of the switches those that are on."""


def posted(form, tab, **changes):
    """The fields of one tab as they are shown; `changes` replace fields (None: a switch that is off), `__` is a dot."""
    fields = {"account": _account, "events": _events, "properties": _properties}.get(tab)
    found = fields(form) if fields else (_people if tab == "people" else _advanced)(form)
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            found.pop(key, None)
        else:
            found[key] = value if isinstance(value, list) else [value]
    return found


def _switch(name, *, on):
    return {name: ["on"]} if on else {}


def _account(form):
    return {**_switch("enabled", on=form.enabled), "region": [form.region], "site_id": [""], "api_key": [""]}


def _events(form):
    fields = {**_switch("events.all", on=form.all_events), "events.new.code": [""], "events.new.name": [""]}
    for row in form.events:
        fields |= {f"events.{row.code}.name": [row.name], **_switch(f"events.{row.code}.on", on=row.on)}
    return fields


def _properties(form):
    fields = {}
    for row in form.properties:
        fields |= {f"properties.{row.property}.name": [row.name], **_switch(f"properties.{row.property}.on", on=row.on)}
    return fields


def _people(form):
    own, source = form.identity, form.source_identity
    return {
        "identity.anonymous": [form.anonymous],
        "identity.id": [", ".join(own.id or ())],
        "identity.email": ["\r\n".join(own.email or ())],
        "identity.email_like_user_id": [own.email_like_user_id or ""],
        "source.id": [", ".join(source.id)],
        "source.email": [", ".join(source.email)],
        "source.email_like_user_id": [source.email_like_user_id],
    }


def _advanced(form):
    return {
        "environments": list(form.environments),
        "source": [form.source],
        "base_url": [form.base_url],
        "dates": [form.dates],
        "late": [form.late],
        "start": [form.start],
        "send.shown": ["1"],
        "merge_transfers.shown": ["1"],
        **_switch("send", on=form.send),
        **_switch("merge_transfers", on=form.merge_transfers),
        "include": [", ".join(form.include or ())],
        "exclude": [", ".join(form.exclude)],
        "rename": ["\r\n".join(f"{field} = {name}" for field, name in form.rename)],
    }
