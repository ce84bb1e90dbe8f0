"""The secret of an installation and what is derived from it; no other setting comes in here."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path


def read_or_create(path: Path) -> str:
    """The secret kept in `path`, generated on first use with mode 0600.

    Two processes may come first at the same time: the file appears complete, by a link, and the loser reads it.

    Raises OSError where the folder cannot be written or the file not read.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def derive(secret: str, purpose: str) -> str:
    """A password of 64 hexadecimal digits for one purpose, from which the secret cannot be computed back."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha256).hexdigest()
