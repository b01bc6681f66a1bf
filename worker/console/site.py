"""Site map of the console: every page at its address."""

from worker.app import Relay
from worker.console.activity import ActivityPage, FindPage
from worker.console.adding import AddPage, DuplicatePage, RemovePage
from worker.console.cards import IntegrationsPage
from worker.console.event import EventPage
from worker.console.failure import FailurePage
from worker.console.failures import FailuresPage
from worker.console.history import ComparePage, ExportPage, HistoryPage, RevisionPage
from worker.console.integration import IntegrationPage
from worker.console.jobs import JobPage, JobsPage
from worker.console.letter import LetterPage
from worker.console.overview import OverviewPage
from worker.console.page import Page
from worker.console.person import PersonPage
from worker.console.published import PublishedPage
from worker.console.revealing import RevealPage
from worker.console.review import DiffPage, ReviewPage
from worker.console.rollback import RollbackPage
from worker.console.sample import SamplePage
from worker.console.settings_page import SettingsPage
from worker.console.shared_drafts import DraftsPage


def pages(parts: Relay) -> dict[str, Page]:
    """The pages over given parts, by address."""
    return {
        "/": OverviewPage(parts),
        "/integrations": IntegrationsPage(parts),
        "/integrations/new": AddPage(parts),
        "/integrations/{name}": IntegrationPage(parts),
        "/integrations/{name}/duplicate": DuplicatePage(parts),
        "/integrations/{name}/remove": RemovePage(parts),
        "/integrations/{name}/events/{code}": SamplePage(parts),
        "/activity": ActivityPage(parts),
        "/find": FindPage(parts),
        "/events/{shard}/{entry}": EventPage(parts),
        "/people": PersonPage(parts),
        "/failures": FailuresPage(parts),
        "/failures/{number}": FailurePage(parts),
        "/letters/{letter}": LetterPage(parts),
        "/jobs": JobsPage(parts),
        "/jobs/{job}": JobPage(parts),
        "/history": HistoryPage(parts),
        "/history/export": ExportPage(parts),
        "/history/compare": ComparePage(parts),
        "/history/{number}": RevisionPage(parts),
        "/history/{number}/back": RollbackPage(parts),
        "/drafts": DraftsPage(parts),
        "/review": ReviewPage(parts),
        "/review/change.diff": DiffPage(parts),
        "/published/{number}": PublishedPage(parts),
        "/settings": SettingsPage(parts),
        "/reveal": RevealPage(parts),
    }
