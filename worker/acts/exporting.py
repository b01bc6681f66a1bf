"""Exporting: one integration as a file of its own, which another relay takes."""

from config.rewrite import Rewrite, UneditableError
from worker.errors import OperatorError


def only(text: str, integration: str) -> str:
    """The file with one integration and its source alone; comments and the rest stay, secrets are references.

    Raises:
        OperatorError: there is no such integration, or the file cannot be taken apart.
    """
    try:
        rewrite = Rewrite(text)
        rewrite.keep(integration)
    except KeyError:
        raise OperatorError(f"there is no integration {integration!r}") from None
    except UneditableError as error:
        raise OperatorError(str(error)) from None
    return rewrite.text
