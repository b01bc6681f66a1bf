"""The keys of sealed secrets: the environment's, else this machine's own."""

import pytest
from pydantic import SecretStr

from config.secrets import UnresolvedError
from config.settings import Settings
from worker.errors import OperatorError
from worker.revisions.keyring import KEY_FILE, make_key, secret_keys, unseal
from worker.revisions.seal import Seal, new_key


def test_a_machine_makes_a_key_of_its_own_once(tmp_path):
    """Readable by its owner alone, usable, and never replaced: what is sealed with it must stay readable."""
    folder = tmp_path / "data"
    make_key(folder)
    (first,) = secret_keys(Settings(data_dir=folder))
    make_key(folder)
    assert secret_keys(Settings(data_dir=folder)) == (first,)
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    sealed = Seal((first,)).seal("hush")
    assert unseal((first,), sealed.removeprefix("sealed:")) == "hush"


def test_the_environment_counts_more_than_the_machine(tmp_path):
    """RELAY_SECRET_KEYS, several with commas or blanks between; the settings do not show them."""
    make_key(tmp_path)
    chosen = Settings(data_dir=tmp_path, secret_keys=SecretStr("one, two\nthree"))
    assert secret_keys(chosen) == ("one", "two", "three")
    assert "three" not in repr(chosen)


@pytest.mark.parametrize("token", ["", "gAAAA", "x" * 200])
def test_what_no_key_opens_is_said_without_it(token):
    """The message names the variable and what to do, never the token."""
    with pytest.raises(UnresolvedError, match="RELAY_SECRET_KEYS") as error:
        unseal((new_key(),), token)
    assert not token or token not in str(error.value)


def test_a_key_that_is_none_is_said_by_its_place():
    """Never by its text, which may be the secret itself."""
    with pytest.raises(OperatorError, match="key 2 is no key") as error:
        Seal((new_key(), "hunter2"))
    assert "hunter2" not in str(error.value)
    with pytest.raises(UnresolvedError, match="key 1 is no key"):
        unseal(("hunter2",), "gAAAA")


def test_without_a_key_nothing_is_sealed():
    """The message says how to get one."""
    with pytest.raises(OperatorError, match="relay seal --new-key"):
        Seal(()).seal("hush")
