"""Key atlas: the names of everything the relay keeps in Redis.

{S} is the shard's number and the hash tag: all keys of a shard live in one slot, so one script may touch them all.

key                                  type    meaning; bound on growth; who deletes
relay:{S}:events:<source>            stream  b = the bytes received; retention; `trim`, once every group is past it
relay:{S}:ids:<source>:<bucket>      hash    16-byte digest of an event id -> 4 bytes of what the event is about; a
                                             field more for each further thing; the dedup window; expires
relay:{S}:seen:<source>:<bucket>     set     the ids alone, as earlier releases kept them; read only; expires
relay:{S}:intake:<source>            hash    accepted, duplicates, conflicting, lost, restored, returned; 6; nobody
relay:{S}:era:<source>               hash    since when no event was lost: era, server, base, counted; 4 fields; nobody
relay:{S}:lease:<integration>        string  token of its holder; 1; expires, or its holder
relay:{S}:wake:<integration>         string  a wake-up is on its way; 1; expires, or `take`
relay:{S}:hold:<integration>         string  the integration is held; 1; `resume`
relay:{S}:flight:<integration>       hash    a lease not let go: token, step; after unexplained deaths also deaths,
                                             until, alone, mapping, sending, phase, and of each of
                                             these holders gone:<token> (since when, phase, alone); where the
                                             destination fails also stuck, refusals; 64 fields; its holder
relay:{S}:ledger:<integration>       hash    base, position, delivered, filtered:<reason>, dead, late_ms:<bound>,
                                             late_ms_sum, properties (letters of events that are not dead); a field a
                                             reason; nobody
relay:{S}:trail:<integration>        stream  b = a settled batch: its entries, request, outcomes; as the events; `trim`
relay:{S}:changes:<integration>      zset    what became of single entries later, by their time; as the events; `trim`
relay:{S}:forgotten:<source>         zset    entry and when `relay forget` deleted it (ms); as the events; `trim`
relay:{S}:person:<integration>:<digest>  string  what is known of a person; one a person; expires when idle
relay:{S}:dead:<integration>         hash    id -> dead letter; the dead limit, then a hold; replay, discard
relay:{S}:deadtime:<integration>     zset    id by time of failure; as dead; as dead
relay:{S}:deadcauses:<integration>   hash    cause -> what it is; one a cause; replay, discard
relay:{S}:deadcause:<integration>:<cause>  zset  id by time of failure; as dead; as dead
relay:{S}:deadtrail:<integration>    list    who discarded what, and why; 1000; trimmed as it grows
relay:deadnumbers                    hash    group of dead letters -> number, when it was last listed; one a group; the
                                             reader, a day after that
relay:{S}:inhand:<integration>       hash    token, ids of the dead letters a replay is sending, deaths as above; 170;
                                             its end
relay:{S}:replay:<integration>:<job> zset    ids of the dead letters a job has yet to try; as dead; their outcome, abort
relay:{S}:replayed:<integration>:<job>  hash  what became of a job's letters; a field a reason; its end, or expires
relay:{S}:carried:<integration>:<job>  hash   id -> archived event that a job sends; 100,000 a job; its end, or expires
relay:{jobs}:job:<job>               hash    who, which filter, rate, state, counts; 200 jobs that ended; later jobs
relay:{jobs}:lease:<job>             string  token of the chain of tasks at work on it; seconds; expires, or its holder
relay:{jobs}:all                     zset    job by when it was made; as the jobs
relay:{jobs}:open                    set     jobs that are not closed; as the jobs; the job's end
relay:integrations                   set     integrations of which something is kept; 1 an integration; its removal
relay:sources                        set     names of all sources whose streams are kept; 1 a source; `trim`, once empty
relay:warned:<what>                  string  a warning was logged recently; minutes; expires
relay:hold:<integration>             hash    why, since, next probe, failures; 1 an integration; `resume`
relay:suppressed                     hash    person -> since; one a person suppressed; `suppress remove`
relay:suppressed:version             string  changes with the list; 1; nobody
relay:pace/<integration>/…            string  requests of the last second; 2 an integration; expires
relay:config:revisions               hash    number -> revision of the integrations file, digest -> number, head -> the
                                             one in force; 1000 revisions; later ones
relay:processes                      hash    process -> when it was last alive, and what it runs; 1 a process; the
                                             reader, an hour after its last sign
relay:actions                        list    what people did: who, what, on what, why; 10000; trimmed as it grows
relay:console:link:<digest>          string  who enters by a one-time link; minutes; expires, or the log-in
relay:console:session:<digest>       string  who is logged in; one a log-in; expires when idle, logout
relay:console:sessions               zset    session by when it began; as the sessions; the reader, logout
relay:console:reveal:<session>:<digest>  string  a person is shown to who asked for it; minutes; expires
relay:console:drafts                 hash    login -> text that is not in force yet; 1 a login; 30 days
relay:console:plan:<hash>            string  plan that somebody looks at, what it asks for; 1 a plan; an hour, expires
relay:console:key                    string  key of masks, and of log-ins that are under way; 1; nobody
relay:console:failures               hash    group of failures -> acknowledged or ignored, who, when; a group; nobody
relay:samples                        stream  b = every integration's counts, an entry a minute; 7 days; as it grows
relay:{arrivals}:cursors:<source>    hash    shard -> last entry whose code was counted; a field a shard; expires
relay:{arrivals}:newest:<source>     hash    environment and code -> when the last one came (ms); 10000; expires
relay:{arrivals}:day:<day>:<source>  hash    hour, environment, code -> how many; 10000; expires
relay:turns                          hash    when each periodic work was done, and asked for, last; 6 fields; nobody
relay:archive                        hash    files, events, written_ms; failing_since_ms, reason; 5 fields; nobody
relay:archive:lease                  string  token of who archives; 1; expires, or its holder
relay:counters                       hash    requests to Customer.io by answer and duration, trimmed events; some 20
                                             fields an integration; nobody
relay:alerts                         hash    target and need -> what was sent of it; a field a need; its end
relay:alerts:lease                   string  token of who looks after the alerts; 1; expires, or its holder
relay:{refused}:<ten minutes>        hash    status and source -> requests refused; a few; expires after 70 minutes
relay:certificates                   hash    certificate -> when it ends (ms); a few; each look
relay:{S}:layout                     hash    the epoch whose appends the shard takes; while shards grow also closed,
                                             open:<integration>, barrier:<source>; some 10 fields; nobody
relay:layout                         string  how many shards there are and were, epoch, whether events move; 1; nobody
relay:layout:lease                   string  token of who has the shards grow; 1; expires, or its holder
relay:copied:{S}                     string  written to see that replicas follow; S or 1 (`{relay:layout}`), and one for
                                             each hold or resume (`{relay:hold:<integration>}:<random>`); 1 min
relay:shards                         string  how many shards there are, for earlier releases; 1; nobody
relay:schema                         string  version of all these formats (`schema`); 1; nobody
"""

import functools

SHARDS = "relay:shards"
LAYOUT = "relay:layout"
LAYOUT_LEASE = "relay:layout:lease"
SCHEMA = "relay:schema"
SUPPRESSED = "relay:suppressed"
SUPPRESSED_VERSION = "relay:suppressed:version"
INTEGRATIONS = "relay:integrations"
SOURCES = "relay:sources"
REVISIONS = "relay:config:revisions"
PROCESSES = "relay:processes"
ACTIONS = "relay:actions"
COUNTERS = "relay:counters"
ALERTS = "relay:alerts"
ALERTS_LEASE = "relay:alerts:lease"
CERTIFICATES = "relay:certificates"
DEAD_NUMBERS = "relay:deadnumbers"
SESSIONS = "relay:console:sessions"
DRAFTS = "relay:console:drafts"
CONSOLE_KEY = "relay:console:key"
CONSOLE_FAILURES = "relay:console:failures"
ARCHIVE = "relay:archive"
TURNS = "relay:turns"
ARCHIVE_LEASE = "relay:archive:lease"
SAMPLES = "relay:samples"
JOBS = "relay:{jobs}:all"
OPEN_JOBS = "relay:{jobs}:open"


@functools.cache
def shard_key(shard: int, kind: str, name: str) -> str:
    """The key `relay:{shard}:kind:name`."""
    return f"relay:{{{shard}}}:{kind}:{name}"


def layout_key(shard: int) -> str:
    """The layout that a shard knows."""
    return f"relay:{{{shard}}}:layout"


def copied_key(tag: int | str) -> str:
    """What a replica is asked for to see whether it has all that was written to the server of this shard, or key."""
    return f"relay:copied:{{{tag}}}"


def person_key(shard: int, integration: str, digest: str) -> str:
    """The key of a person's state; `digest` keeps identifiers out of key names."""
    return f"relay:{{{shard}}}:person:{integration}:{digest}"


def cause_key(shard: int, integration: str, cause: str) -> str:
    """The dead letters of one cause, by time of failure."""
    return f"relay:{{{shard}}}:deadcause:{integration}:{cause}"


def hold_key(integration: str) -> str:
    """The one record of an integration's hold."""
    return f"relay:hold:{integration}"


def arrivals_key(kind: str, source: str) -> str:
    """A part of the counts of a source's event codes; all of them in one slot."""
    return f"relay:{{arrivals}}:{kind}:{source}"


def refused_key(ten_minutes: int) -> str:
    """Refused requests of ten minutes; all of them in one slot."""
    return f"relay:{{refused}}:{ten_minutes}"


def job_key(job_id: str, kind: str = "job") -> str:
    """A job's record, or its lease."""
    return f"relay:{{jobs}}:{kind}:{job_id}"


def job_part_key(shard: int, kind: str, integration: str, job_id: str) -> str:
    """What a job has to do (`replay`), or has done (`replayed`), on one lane."""
    return f"relay:{{{shard}}}:{kind}:{integration}:{job_id}"


def link_key(digest: str) -> str:
    """A one-time link into the console."""
    return f"relay:console:link:{digest}"


def session_key(digest: str) -> str:
    """One person's session in the console."""
    return f"relay:console:session:{digest}"


def reveal_key(session_id: str, digest: str) -> str:
    """Who or what is shown unmasked in a session."""
    return f"relay:console:reveal:{session_id}:{digest}"


def seen_plan_key(plan_hash: str) -> str:
    """A plan that somebody looks at."""
    return f"relay:console:plan:{plan_hash}"
