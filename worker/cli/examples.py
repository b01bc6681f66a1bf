"""Examples of the commands: what somebody may type, shown at the end of each command's help."""

from collections.abc import Mapping, Sequence
from typing import Final

import click

# Commands whose own text has examples are left out.
EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "init": ("relay init", "relay init my.toml --source my-app --region eu --sandbox"),
    "demo": ("relay demo", "relay demo --keep"),
    "up": ("relay up", "relay up --data-dir /var/lib/relay --port 8080"),
    "web": ("relay web",),
    "worker": ("relay worker",),
    "beat": ("relay beat",),
    "console": ("relay console", "relay console link --role operator"),
    "check": ("relay check", "relay check --offline --strict"),
    "audit": ("relay audit", "relay audit --json"),
    "alerts": ("relay alerts", "relay alerts --json", "relay alerts test"),
    "alerts test": ("relay alerts test",),
    "config plan": ("relay config plan draft.toml --since 3d",),
    "config apply": ('relay config apply draft.toml -m "loyalty events on"',),
    "config show": ("relay config show", "relay config show 41"),
    "config log": ("relay config log --limit 5",),
    "config diff": ("relay config diff 41", "relay config diff 40 41"),
    "config export": ("relay config export 41 > integrations.toml",),
    "config rollback": ('relay config rollback 41 -m "campaigns stopped"',),
    "config reseal": ("relay config reseal integrations.toml > resealed.toml",),
    "actions": ("relay actions --limit 20",),
    "seal": ("relay seal < key.txt", "relay seal --new-key"),
    "hold": ('relay hold production -m "new workspace, back at 10:00"',),
    "resume": ("relay resume production",),
    "dead": ("relay dead", "relay dead --since 2h --watch", "relay dead show 1"),
    "dead list": ("relay dead list 1 --limit 5", "relay dead list --where 'plan = monthly' --since 2h"),
    "dead show": ("relay dead show 1", "relay dead show production.3.1700000000000-0 --full"),
    "dead replay": (
        "relay dead replay 1 --dry-run",
        "relay dead replay 1 --rate 200 --yes",
        "relay dead replay --all --fixed",
    ),
    "dead discard": ('relay dead discard 2 -m "test traffic of 12 March"',),
    "dead trail": ("relay dead trail --limit 5",),
    "dead export": ("relay dead export 1 --output letters.ndjson",),
    "dead import": ("relay dead import letters.ndjson --dry-run",),
    "jobs list": ("relay jobs list --limit 5",),
    "jobs pause": ("relay jobs pause replay-1a2b3c",),
    "jobs resume": ("relay jobs resume replay-1a2b3c",),
    "jobs abort": ('relay jobs abort replay-1a2b3c -m "wrong group"',),
    "suppress add": ("relay suppress add customer-0101",),
    "suppress list": ("relay suppress list",),
    "suppress remove": ("relay suppress remove customer-0101",),
    "forget": ("relay forget customer-0101",),
    "simulate": ("relay simulate", "relay simulate --workspace my-site:my-key:eu --fault 503=next:20"),
    "completion": ('eval "$(relay completion bash)"', "relay completion fish > ~/.config/fish/completions/relay.fish"),
}


def give_examples(command: click.Command, name: str) -> click.Command:
    """A command, or a group with those in it, whose help ends with its examples; `name` is as it is typed."""
    lines = EXAMPLES.get(name)
    if lines and command.epilog is None:
        command.epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            give_examples(one, f"{name} {inner}")
    return command
