"""State of one person as one integration has seen them: subscriptions and one-time purchases.

The state is a join of events (see `worker.people.holding`): any order and any repetition of a history ends in
the same bytes. An event without a usable time counts as of when it was received.

An event is about the subscription or purchase whose Purchasely id it names; without one, about that of
its first store transaction, else of its plan or product. One that names nothing tells only who the
person is and their revenue, as all others do too.

Bound: 32 subscriptions and 32 purchases. Past that those go that have had no news for longest, ended
ones first. Only for a person with more than that can the order of arrival matter.
"""

import msgspec
import orjson

from worker.errors import UnknownStateError
from worker.people.entitlement import GRANTED, ON_HOLD, PAUSED, PLAN_CHANGES, REPLACED, standing
from worker.people.facts import Facts
from worker.people.holding import SAME_TRANSACTION_MS, Holding, decide_access, learn
from worker.purchasely.person import plain_name

VERSION = 1
LIMIT = 32


class Person(msgspec.Struct, array_like=True, gc=False):
    """The state of one person as one integration has seen it.

    Holdings by id; `revenues`, the ids and `moved_to` (the user who got what this one lost) each with the time of the
    event they came from; `paired` has whoever this person was merged with (`pair`), and when; `who` is the person as
    Customer.io knows them (JSON), so that they can be identified again. Times in Unix milliseconds. Stored by position:
    a new field goes to the end and has a default.
    """

    version: int = VERSION
    newest_ms: int = 0
    subscriptions: dict[str, Holding] = {}
    purchases: dict[str, Holding] = {}
    revenues: dict[str, tuple[int, float]] = {}
    user_id: tuple[int, str] = (0, "")
    anonymous_user_id: tuple[int, str] = (0, "")
    device_id: tuple[int, str] = (0, "")
    moved_to: tuple[int, str] = (0, "")
    paired: dict[str, int] = {}
    who: str = ""


def names_of(person: Person) -> set[str]:
    """Every identifier that a state has of its person, as they are compared; no device's, which may be shared."""
    who = orjson.loads(person.who).values() if person.who else ()
    return {plain_name(str(name)) for name in (*who, person.user_id[1], person.anonymous_user_id[1]) if name}


_DECODER = msgspec.msgpack.Decoder(Person)
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def decode(blob: bytes | None, digest: str = "") -> Person:
    """The stored state; None is a person never seen. `digest` is what it is stored under, for the error.

    Raises:
        UnknownStateError: the bytes are no state, or one that a newer release wrote.
    """
    if blob is None:
        return Person()
    try:
        person = _DECODER.decode(blob)
    except msgspec.DecodeError as error:
        why = str(error)
    else:
        if person.version == VERSION:
            return person
        why = f"version {person.version}, known is {VERSION}"
    what = "of a newer release" if is_newer(blob) else "damaged"
    raise UnknownStateError(f"{f'the state {digest}'.rstrip()} is {what} ({why})")


def is_newer(blob: bytes) -> bool:
    """Whether a state that cannot be read says that a newer release wrote it; else it is damaged."""
    try:
        version = msgspec.msgpack.decode(blob, type=list)[0]
    except (msgspec.DecodeError, IndexError):
        return False
    return type(version) is int and version > VERSION


def encode(person: Person) -> bytes:
    """The state as bytes; equal states have equal bytes."""
    return _ENCODER.encode(person)


def absorb(person: Person, facts: Facts) -> bool:
    """Take what an event tells into the state; False when it was stale.

    Stale is an event that changed nothing and is older than the newest of the subscription or purchase
    that it is about. A repetition of the newest one is not.
    """
    changed = _know(person, facts)
    if not facts.about:
        return changed or facts.time_ms >= person.newest_ms
    holdings = person.purchases if facts.once else person.subscriptions
    holding = holdings.get(facts.about)
    if holding is None:
        holding = holdings[facts.about] = Holding()
    changed = learn(holding, facts) or changed
    if facts.name in PLAN_CHANGES:
        changed = _end_former(person, facts) or changed
    if len(holdings) > LIMIT:
        _forget_oldest(holdings)
    return changed or facts.time_ms >= holding.stamp[0]


def pair(person: Person, other: str, time_ms: int) -> bool:
    """Whether two people may be merged for an event of that time: once, by the events of one transfer.

    An anonymous id stays with the device. What is bought under it after the transfer is of whoever logs in next.
    """
    known_ms = person.paired.get(other)
    if known_ms is not None:
        return abs(time_ms - known_ms) < SAME_TRANSACTION_MS
    person.paired[other] = time_ms
    if len(person.paired) > LIMIT:
        del person.paired[min(person.paired, key=lambda name: (person.paired[name], name))]
    return True


def _know(person: Person, facts: Facts) -> bool:
    """Take what an event tells of the person as such; of two of one millisecond the greater value."""
    changed = False
    time_ms = facts.time_ms
    if time_ms > person.newest_ms:
        person.newest_ms = time_ms
        changed = True
    if (text := facts.user_id) and (time_ms, text) > person.user_id:
        person.user_id = (time_ms, text)
        changed = True
    if (text := facts.anonymous_user_id) and (time_ms, text) > person.anonymous_user_id:
        person.anonymous_user_id = (time_ms, text)
        changed = True
    if (text := facts.device_id) and (time_ms, text) > person.device_id:
        person.device_id = (time_ms, text)
        changed = True
    if (text := facts.moved_to) and (time_ms, text) > person.moved_to:
        person.moved_to = (time_ms, text)
        changed = True
    for currency, amount in facts.revenue:
        known = person.revenues.get(currency)
        if known is None or (time_ms, amount) > known:
            person.revenues[currency] = (time_ms, amount)
            changed = True
    return changed


def _end_former(person: Person, facts: Facts) -> bool:
    """End the subscription that a plan change leaves, which may be heard of only later."""
    if facts.former in {"", facts.about}:
        return False
    holding = person.subscriptions.setdefault(facts.former, Holding())
    changed = decide_access(holding, facts.time_ms, REPLACED)
    if len(person.subscriptions) > LIMIT:
        _forget_oldest(person.subscriptions)
    return changed


def _forget_oldest(holdings: dict[str, Holding]) -> None:
    def worth(key: str) -> tuple[bool, int, str]:
        holding = holdings[key]
        word_ms, fact = holding.last_word("")
        stands = standing(fact, holding.snapshot.subscription_status)
        news_ms = max(holding.stamp[0], word_ms)
        return stands in {GRANTED, ON_HOLD, PAUSED}, news_ms, key

    del holdings[min(holdings, key=worth)]
