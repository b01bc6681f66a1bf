"""Publishing takes the plan that was seen: of this text, of the revision in force, with the names typed."""

import pytest

from tests.support.parts import make_parts
from worker.console.seen import PlanAgainError, SeenPlans
from worker.history.preview import make_preview


@pytest.fixture
def parts(tmp_path, redis_url):
    return make_parts(tmp_path, redis_url, "production", "sandbox")


def test_only_what_was_seen_is_published(parts):
    """Another draft, another revision, a name not typed, or a plan of yesterday: the plan is to be looked at again."""
    text = parts.live.loaded.revision.text
    draft = text[: text.index("[integrations.sandbox]")]
    seen = make_preview(parts, draft, 5)
    plans = SeenPlans(parts.redis)
    plans.keep(seen)
    plan = plans.agreed(seen.hash, draft, seen.base, ["sandbox"])
    assert (plan.removed, plan.friction) == (("sandbox",), seen.friction)
    for args, why in (
        ((seen.hash, draft, seen.base, []), "type sandbox"),
        ((seen.hash, draft + "#", seen.base, ["sandbox"]), "the draft was changed"),
        ((seen.hash, draft, seen.base + 1, ["sandbox"]), "came into force meanwhile"),
        (("0" * 32, draft, seen.base, ["sandbox"]), "an hour old"),
        (("../x", draft, seen.base, ["sandbox"]), "an hour old"),
    ):
        with pytest.raises(PlanAgainError, match=why):
            plans.agreed(*args)
