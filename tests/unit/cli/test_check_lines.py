"""The lines of `relay check`."""

from worker.cli.check import _show
from worker.machine.serverfacts import Fact


def test_each_line_names_what_it_is_about(capsys):
    """An integration whose name occurs in a warning is named all the same; what opens with it is not named twice."""
    _show(
        [
            Fact("file", "test", "warning", "takes SANDBOX: test purchases reach real people"),
            Fact("file", "a.toml", "wrong", "a.toml:3: integrations.test: unknown key"),
            Fact("file", "", "ok", "1 source"),
        ]
    )
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()[1:4]] == [
        "test  takes SANDBOX: test purchases reach real people",
        "a.toml:3: integrations.test: unknown key",
        "1 source",
    ]
