"""Shells: click's completion for bash, zsh and fish, corrected where a real shell showed it to fail."""

from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete, add_completion_class


class _Bash(BashComplete):
    """Bash takes `--reason=re` for three words, of which it replaces the last."""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, begun = super().get_completion_args()
        if begun == "=":
            return args, ""
        return (args[:-1] if args[-1:] == ["="] else args), begun


class _Zsh(ZshComplete):
    """Zsh replaces the whole of `--reason=re`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        return _with_option(incomplete, super().get_completions(args, incomplete))


class _Fish(FishComplete):
    """Fish replaces the whole of `--reason=re`; a comma in an explanation does not end it."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        return _with_option(incomplete, super().get_completions(args, incomplete))


def _with_option(begun: str, found: list[CompletionItem[str]]) -> list[CompletionItem[str]]:
    option, sign, _ = begun.partition("=")
    if not (sign and option.startswith("-")):
        return found
    return [CompletionItem(f"{option}={one.value}", type=one.type, help=one.help) for one in found]


def correct_shells() -> None:
    """Make click use these."""
    for one in (_Bash, _Zsh, _Fish):
        add_completion_class(one)
