"""Fills a store with a million clients by copying one, row by row, into the SQLite file of a server that does not run.

The columns are those of docs/generated/schema-sqlite.sql. Each copy has its own key, which grows with time as keys do, its own
`client_id` (`client-0000000` and so on) and its own secret (`secret-0000000` and so on, kept as SHA-256 as an import keeps it).
"""

import base64
import hashlib
import json
import os
import sqlite3
import time


def fill(database, count, template="template"):
    """Copies the client `template` of the store `count` times. How long it took, in seconds."""
    begin = time.monotonic()
    store = sqlite3.connect(database, isolation_level=None)
    store.row_factory = sqlite3.Row
    store.execute("PRAGMA journal_mode = WAL")
    (row,) = store.execute('SELECT * FROM "client" WHERE "client_id" = ?', (template,)).fetchall()
    columns = row.keys()
    insert = f'INSERT INTO "client" ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})'
    body = json.loads(row["body"])
    start = int(time.time() * 1000)

    def copies():
        for number in range(count):
            # 48 bits of milliseconds, then chance.
            key, secret = ((start + number // 1000).to_bytes(6, "big") + os.urandom(10) for _ in range(2))
            client = {**body, "key": key.hex(), "client_id": f"client-{number:07}", "title": f"Client {number}"}
            digest = hashlib.sha256(f"secret-{number:07}".encode()).digest()
            hashed = {"form": "sha256", "digest": base64.urlsafe_b64encode(digest).decode().rstrip("=")}
            (kept,) = body["kind"]["secrets"]
            client["kind"] = {**body["kind"], "secrets": [{**kept, "key": secret.hex(), "hash": hashed}]}
            values = {**row, "key": key, "client_id": client["client_id"], "body": json.dumps(client, separators=(",", ":"))}
            yield [values[name] for name in columns]

    store.execute("BEGIN IMMEDIATE")
    store.executemany(insert, copies())
    store.execute("COMMIT")
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return time.monotonic() - begin
