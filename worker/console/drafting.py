"""A login's draft as its pages see it: the text to edit, what it is based on, and whether something moved meanwhile."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from config.integrations import Integrations, parse
from worker.app import Relay
from worker.console.drafts import Draft, DraftMovedError, Drafts
from worker.console.editing import Edited
from worker.console.merging import merge
from worker.errors import OperatorError
from worker.revisions.keyring import secret_keys
from worker.revisions.seal import Seal


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """The text to show; `base` is the revision that it was made of, `head` the one in force (0: none).

    `version` is the saved draft's, empty where there is none; `owner_file` is the file that owns the configuration;
    `of` is who the draft was taken over from, empty: nobody.
    """

    text: str
    base: int
    head: int
    version: str
    owner_file: str = ""
    of: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether there is a draft."""
        return bool(self.version)

    @property
    def is_behind(self) -> bool:
        """Whether another revision came into force since the draft began."""
        return self.is_changed and self.base != self.head

    @property
    def until(self) -> str:
        """Until when nothing is changed by it."""
        return "until the file that owns the configuration has it" if self.owner_file else "until you publish it"

    @property
    def mark(self) -> str:
        """What a form carries, so that it is known which text it was made of."""
        return f"{self.base}:{self.version}"


class Desk:
    """The drafts over the parts of the process."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self.drafts = Drafts(parts.redis)

    def open(self, login: str) -> OpenDraft:
        """The draft of a login, else what is in force."""
        self._parts.live.look()
        loaded = self._parts.live.loaded
        file = str(self._parts.settings.integrations or "")
        draft = self.drafts.get(login)
        if draft is None:
            return OpenDraft(loaded.revision.text, loaded.number, loaded.number, "", file)
        return OpenDraft(draft.text, draft.base, loaded.number, draft.version, file, draft.of)

    def read(self, draft: OpenDraft) -> Integrations:
        """The configuration that a draft would be.

        Raises:
            ConfigError: its text has errors, a line each.
        """
        return read_draft(self._parts, draft.text)

    def text_of(self, login: str, mark: str) -> tuple[str, int]:
        """The text that a form was made of, and the revision that it is based on.

        Raises:
            OperatorError: the form is too old.
        """
        base, version = _read(mark)
        return self._text(login, base, version), base

    def edit(self, login: str, mark: str, act: Callable[[str], Edited]) -> tuple[Edited, str]:
        """Edit the text that a form was made of, and save it as the draft; what to tell besides, empty: nothing.

        What was changed in another tab meanwhile is joined; where both changed the same, the other tab's stays.

        Raises:
            OperatorError: the form is too old.
        """
        base, version = _read(mark)
        text = self._text(login, base, version)
        edited = act(text)
        if edited.errors or not edited.changed:
            return edited, ""
        try:
            self.drafts.save(login, base, edited.text, version)
        except DraftMovedError as moved:
            return edited, self._join(login, text, edited.text, moved.now, base)
        return edited, ""

    def start(self, login: str, text: str, base: int, of: str | None = None) -> None:
        """Have a text as the draft, whatever was the draft before; `of` is whose it was, None: as before."""
        known = self.drafts.get(login)
        self.drafts.save(login, base, text, known.version if known else "", of)

    def take_over(self, login: str, of: str) -> Draft | None:
        """Have somebody else's draft as one's own, too; None: there is none any more.

        Raises:
            OperatorError: there is another draft, which would be lost.
        """
        theirs, mine = self.drafts.get(of), self.drafts.get(login)
        if theirs is None or of == login:
            return None
        if mine is not None and mine.text != theirs.text:
            raise OperatorError("you have a draft of your own: publish it or drop it first")
        self.start(login, theirs.text, theirs.base, of)
        return theirs

    def drop(self, login: str) -> None:
        """Give the draft up."""
        known = self.drafts.get(login)
        if known:
            self.drafts.drop(login, known.version)

    def drop_published(self, of: str, text: str) -> None:
        """Give up the draft that one was taken over from, if it says what is in force by now."""
        theirs = self.drafts.get(of) if of else None
        if theirs is not None and theirs.text == text:
            with suppress(DraftMovedError):
                self.drafts.drop(of, theirs.version)

    def revision_text(self, number: int) -> str:
        """The text of a revision; of none, an empty one."""
        return self._parts.revisions.get(number).text if number else ""

    def ran_as(self, text: str) -> int:
        """The revision that had this text: a file that has it is not published again; 0: it never ran."""
        return self._parts.revisions.number_of(text)

    def seal(self, secret: str) -> str:
        """A `sealed:` reference of a secret.

        Raises:
            OperatorError: there is no key to seal with (RELAY_SECRET_KEYS).
        """
        return Seal(secret_keys(self._parts.settings)).seal(secret)

    def _text(self, login: str, base: int, version: str) -> str:
        """The text that a form of that mark was made of."""
        if not version:
            return self.revision_text(base)
        draft = self.drafts.get(login)
        text = draft.text_at(version) if draft else None
        if text is None:
            raise OperatorError("this page is too old: its draft was published or dropped meanwhile; open it again")
        return text

    def _join(self, login: str, was: str, mine: str, now: Draft | None, base: int) -> str:
        if now is None:  # published or dropped meanwhile
            self.drafts.save(login, base, mine, "")
            return "Your draft was published or dropped meanwhile; this began another one."
        merged = merge(was, mine, now.text)
        self.drafts.save(login, now.base, merged.text, now.version)
        lost = ", ".join(one.key for one in merged.conflicts)
        if not lost:
            return "Joined with what you changed in another tab."
        return f"Changed in another tab as well, and kept as it is there: {lost}."


def read_draft(parts: Relay, text: str) -> Integrations:
    """The configuration that the text of a draft would be; secrets that this process has not are left open.

    Raises:
        ConfigError: the text has errors, a line each.
    """
    return parse(text, "the draft", parts.secrets, lenient=True)


def _read(mark: str) -> tuple[int, str]:
    base, _, version = mark.partition(":")
    if not base.isascii() or not base.isdigit() or len(base) > 9:
        raise OperatorError("this page is not complete; open it again")
    return int(base), version
