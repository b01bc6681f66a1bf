"""`relay simulate --help`: options in sections, and the faults with what each of them does."""

import click

# section -> the parameters in it; what is named nowhere is about Customer.io's undocumented behaviour
SECTIONS: dict[str, tuple[str, ...]] = {
    "Listening": ("host", "port", "as_json", "help"),
    "Workspaces and regions": ("workspaces", "region", "wrong_region", "redirect_status", "redirect_base"),
    "Faults": (
        *("faults", "seed", "slow_s", "drip_s", "retry_after", "retry_after_s", "error_body"),
        *("rejected", "attributes", "refused", "failing"),
    ),
    "Limits and memory": ("rate_limit", "over_limit", "keep_events", "lean"),
}
UNDOCUMENTED = "Where the documents are silent"


class SectionedCommand(click.Command):
    """A command whose help has one section for each group of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section, then the kinds of faults."""
        from worker.simulator.faults import KINDS

        places = {name: section for section, names in SECTIONS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = {section: [] for section in (*SECTIONS, UNDOCUMENTED)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                rows[places.get(parameter.name or "", UNDOCUMENTED)].append(record)
        for section, records in rows.items():
            with formatter.section(section):
                formatter.write_dl(records)
        with formatter.section("Kinds of --fault"):
            formatter.write_dl([(kind, text.replace("`", "")) for kind, text in KINDS.items()])
