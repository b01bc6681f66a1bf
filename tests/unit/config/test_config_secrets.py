"""References to secrets, and what they come to."""

import pytest

from config.secrets import Secrets, UnresolvedError


def test_a_file_is_read_without_its_newline(tmp_path):
    """As a mounted secret has one; a change is noticed, a second look at the same file is not one."""
    path = tmp_path / "key"
    path.write_text("hush\n")
    secrets = Secrets({})
    assert secrets.resolve(f"file:{path}") == "hush"
    assert not secrets.changed()
    path.write_text("other-one\n")
    assert secrets.changed()
    assert secrets.resolve(f"file:{path}") == "other-one"
    assert not secrets.changed()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"x" * 70_000, "is longer"),
    ],
)
def test_a_file_that_holds_none_is_said(tmp_path, content, said):
    """Which file, and what to do; and when it is there at last, that is noticed too."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    secrets = Secrets({})
    with pytest.raises(UnresolvedError) as error:
        secrets.resolve(f"file:{path}")
    assert said in str(error.value)
    path.write_text("hush")
    assert secrets.changed()
