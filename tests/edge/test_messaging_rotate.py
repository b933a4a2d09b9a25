"""`khata messaging rotate`: after it the old key is not needed any more."""

import json
import os
import subprocess
import sys

import pytest

from khata import Khata
from khata.engine.database import Database
from khata.engine.vault import Vault
from khata.errors import VaultKeyUnknown
from khata.messaging.history import History
from tests.spools import a_message, put_all, store_all


def rotated(url, folder, keys):
    """What the command says about the keys of a book's messages."""
    done = subprocess.run(
        [sys.executable, "-m", "khata", "messaging", "rotate", "--json"],
        env={
            **os.environ,
            "KHATA_DATABASE_URL": url,
            "KHATA_VAULT_KEYS": ",".join(keys),
            "KHATA_MESSAGING_SPOOL": str(folder),
        },
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)["wrapped"]


def test_keys_are_wrapped_anew_in_the_database_and_on_the_spool(tmp_path):
    """The new key opens everything, the old one nothing."""
    url = f"sqlite:///{tmp_path / 'khata.db'}"
    Khata.open(url, migrate=True).close()
    old, new = Vault.new_key(), Vault.new_key()
    folder = tmp_path / "spools" / "main"
    folder.mkdir(parents=True)
    put_all(folder, [a_message(1)], vault=Vault([old]))
    store_all(folder, url, vault=Vault([old]))
    put_all(folder, [a_message(2)], vault=Vault([old]))
    assert rotated(url, folder.parent, [new, old]) >= 2
    database = Database(url)
    history = History(database, 1, vault=Vault([new]), folder=folder)
    assert [message.seq for message in history.after("eve", 0).messages] == [1, 2]
    with pytest.raises(VaultKeyUnknown):
        History(database, 1, vault=Vault([old]), folder=folder).after("eve", 0)
    database.close()
