"""The plan of a replay of dead letters: what it would do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from typing import assert_never

import msgspec

from worker.dead.letter import Letter, event_of
from worker.delivery.deciding import decide
from worker.mapping.decision import Decision, Send
from worker.mapping.mapper import LATE_MS, Mapper
from worker.replay.judgement import Judged, judge
from worker.store.keys import person_key

_CHUNK = 500

States = Callable[[Sequence[str]], Sequence[bytes | None]]
"""Reads people's states by key."""


class Survey(msgspec.Struct):
    """What a replay would do with the letters it means; counts of letters, of people where it says so.

    `late` are older than 72 hours: Customer.io takes them, but they start no campaign. `newer` people have had later
    updates: their properties keep those. `sent` passes the relay's checks, `same` did so before and was refused by
    Customer.io just as it would be sent now (`refused`: of which reason and field), `unknown` killed its worker and is
    not tried here; `filtered` and `dead` by reason (`fields`: these by reason and field). `orphans` are of integrations
    that are not in the file any more: they cannot be replayed.
    """

    matched: int = 0
    integrations: dict[str, int] = {}
    late: int = 0
    people: int = 0
    newer: int = 0
    sent: int = 0
    unsure: int = 0
    same: int = 0
    refused: dict[str, int] = {}
    unknown: int = 0
    filtered: dict[str, int] = {}
    dead: dict[str, int] = {}
    fields: dict[str, int] = {}
    orphans: dict[str, int] = {}

    @property
    def again(self) -> int:
        """How many would fail again."""
        return self.same + sum(self.dead.values())


class _Newest(msgspec.Struct, array_like=True):
    """The head of a person's state, which is all that is read of it here."""

    version: int
    newest_ms: int


_HEAD = msgspec.msgpack.Decoder(_Newest)


class Surveyor:
    """Judges letters by the configuration in force.

    `states` reads people's states by key; `suppressed` are people who are sent nothing. Letters that are known to fail
    again are counted and left out, unless `failing` takes them too; `fixed` counts and takes only what passes.
    """

    def __init__(
        self,
        mappers: dict[str, Mapper],
        states: States,
        suppressed: frozenset[str],
        now_ms: int,
        *,
        fixed: bool = False,
        failing: bool = False,
    ) -> None:
        self._mappers = mappers
        self._states = states
        self._suppressed = suppressed
        self._now_ms = now_ms
        self._fixed = fixed
        self._failing = failing
        self._people: set[tuple[str, str]] = set()
        self._newer: set[tuple[str, bytes]] = set()
        self.survey = Survey()

    def pass_on(self, letters: Iterable[Letter]) -> Iterator[Letter]:
        """The letters to replay, each letter counted in the survey as it goes by."""
        for (integration, shard), lane in groupby(letters, key=lambda letter: (letter.integration, letter.shard)):
            mapper = self._mappers.get(integration)
            while chunk := list(islice(lane, _CHUNK)):
                if mapper is None:
                    _add(self.survey.orphans, integration, len(chunk))
                else:
                    yield from self._judge(mapper, shard, chunk)
        self.survey.people, self.survey.newer = len(self._people), len(self._newer)

    def _judge(self, mapper: Mapper, shard: int, letters: list[Letter]) -> Iterator[Letter]:
        integration = mapper.integration.name
        decisions = [
            None
            if letter.reason == "crashed_worker"
            else decide(mapper, partial(event_of, letter), self._now_ms, self._suppressed)
            for letter in letters
        ]
        digests = {digest for decision in decisions if decision and (digest := mapper.person_of(decision))}
        keys = sorted(digests)
        states = dict(zip(keys, self._states([person_key(shard, integration, key) for key in keys]), strict=True))
        for letter, decision in zip(letters, decisions, strict=True):
            state = states.get(mapper.person_of(decision) or "") if decision else None
            judged = judge(mapper, letter, decision, state) if decision else Judged("unknown")
            if self._fixed and judged.fate != "sent":
                continue
            self._count(integration, letter, decision, judged, state)
            if self._failing or judged.fate not in {"same", "dead"}:
                yield letter

    def _count(
        self, integration: str, letter: Letter, decision: Decision | None, judged: Judged, state: bytes | None
    ) -> None:
        survey = self.survey
        survey.matched += 1
        _add(survey.integrations, integration, 1)
        time_ms = letter.received_ms if letter.event_time_ms is None else letter.event_time_ms
        if self._now_ms - time_ms > LATE_MS:
            survey.late += 1
        self._count_person(integration, letter, decision)
        if isinstance(decision, Send) and state is not None and _HEAD.decode(state).newest_ms > time_ms:
            self._newer.add((integration, decision.who.json))
        match judged.fate:
            case "sent":
                survey.sent += 1
            case "unsure":
                survey.unsure += 1
            case "same":
                survey.same += 1
                _add(survey.refused, f"{letter.reason}:{letter.field}", 1)
            case "unknown":
                survey.unknown += 1
            case "filtered":
                _add(survey.filtered, judged.reason, 1)
            case "dead":
                _add(survey.dead, judged.reason, 1)
                _add(survey.fields, f"{judged.reason}:{judged.field}", 1)
            case _:
                assert_never(judged.fate)

    def _count_person(self, integration: str, letter: Letter, decision: Decision | None) -> None:
        if letter.reason != "no_person":
            self._people.update({(integration, letter.person)} if letter.person else ())
        elif isinstance(decision, Send):  # until then a device was all that was known
            self._people.add((integration, decision.who.json.decode()))


class ReadOnce:
    """People's states that are read once, however many surveys ask for them: of several ways with the same letters."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._known: dict[str, bytes | None] = {}

    def __call__(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The states of these keys."""
        new = [key for key in keys if key not in self._known]
        if new:
            self._known |= dict(zip(new, self._states(new), strict=True))
        return [self._known[key] for key in keys]


def _add(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number
