"""One run of the tests in two processes: together they run everything, and nothing twice."""

from types import SimpleNamespace

from tests.support.sharing import Share


def items_of(*files):
    """Two tests in each file."""
    return [SimpleNamespace(nodeid=f"{file}::test_{n}") for file in files for n in range(2)]


def test_two_processes_share_the_files(tmp_path):
    """Each begins with its own, and goes on with what the other has left."""
    shares = [Share(tmp_path, "tests/slow"), Share(tmp_path, "tests/quick")]
    runs = []
    for one in shares:
        items = items_of("tests/quick/a.py", "tests/slow/b.py", "tests/quick/c.py", "tests/slow/d.py")
        one.pytest_collection_modifyitems(items)
        runs.append(one.taken(items))
    ran = list(zip(*runs, strict=True))  # in turns
    assert [slow for slow, _ in ran] == items_of("tests/slow/b.py", "tests/slow/d.py")
    assert [quick for _, quick in ran] == items_of("tests/quick/a.py", "tests/quick/c.py")


def test_who_is_done_takes_what_the_other_began_with(tmp_path):
    """A process that is alone runs all of it; a second one then finds nothing."""
    items = items_of("tests/slow/b.py", "tests/quick/a.py")
    assert list(Share(tmp_path, "tests/slow").taken(items)) == items
    assert list(Share(tmp_path, "tests/quick").taken(items)) == []
