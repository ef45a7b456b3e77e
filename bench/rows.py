"""Fills a store with clients or revocations, row by row, in the SQLite file of a server that does not run.

The columns are those of docs/generated/schema-sqlite.sql, and each row has the checksum that a server would give it
(crates/core/src/store/mod.rs, `Row::checksum`). A copied client has its own key, which grows with time as keys do, and its own
`client_id` (`client-0000000` and so on). All have the secret of the client that they are copied from.
"""

import hashlib
import json
import os
import sqlite3
import time

COLUMNS = {"client": ["realm", "client_id"], "revocation": ["realm", "target"]}


def open_store(database):
    store = sqlite3.connect(database, isolation_level=None)
    store.row_factory = sqlite3.Row
    store.execute("PRAGMA journal_mode = WAL")
    return store


def write(store, kind, rows):
    """Writes rows of a kind: dictionaries without their checksums. How long it took, in seconds."""
    begin = time.monotonic()
    names = ["key", "version", "body_version", "expires_at", *COLUMNS[kind], "body", "checksum"]
    insert = f'INSERT INTO "{kind}" ({", ".join(names)}) VALUES ({", ".join("?" * len(names))})'
    summed = ({**row, "checksum": checksum(kind, row)} for row in rows)
    store.execute("BEGIN IMMEDIATE")
    store.executemany(insert, ([row[name] for name in names] for row in summed))
    store.execute("COMMIT")
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return time.monotonic() - begin


def checksum(kind, row):
    digest = hashlib.sha256()

    def part(tag, content):
        digest.update(bytes([tag]) + len(content).to_bytes(8, "big") + content)

    part(0, kind.encode())
    part(1, row["key"])
    part(2, row["body_version"].to_bytes(4, "big"))
    part(3, b"" if row["expires_at"] is None else row["expires_at"].to_bytes(8, "big", signed=True))
    part(4, row["body"].encode())
    for name in COLUMNS[kind]:
        value = row[name]
        part(8, value) if isinstance(value, bytes) else part(7, value.encode())
    return int.from_bytes(digest.digest()[:8], "big", signed=True)


def fresh_key(number, start):
    """48 bits of milliseconds, then chance."""
    return (start + number // 1000).to_bytes(6, "big") + os.urandom(10)


def clients(database, count, template="template"):
    """Copies the client `template` of the store `count` times."""
    store = open_store(database)
    (row,) = [dict(row) for row in store.execute('SELECT * FROM "client" WHERE "client_id" = ?', (template,))]
    if checksum("client", row) != row["checksum"]:
        raise SystemExit("bench/rows.py does not make the checksums that the server makes")
    body, start = json.loads(row["body"]), int(time.time() * 1000)

    def copies():
        for number in range(count):
            key, secret = fresh_key(number, start), fresh_key(number, start)
            client = {**body, "key": key.hex(), "client_id": f"client-{number:07}", "title": f"Client {number}"}
            (kept,) = body["kind"]["secrets"]
            client["kind"] = {**body["kind"], "secrets": [{**kept, "key": secret.hex()}]}
            text = json.dumps(client, separators=(",", ":"))
            yield {**row, "key": key, "client_id": client["client_id"], "body": text}

    return write(store, "client", copies())


def revocations(database, count, realm):
    """Makes so many revocations of tokens of a realm that live for a day."""
    store = open_store(database)
    ((realm,),) = store.execute('SELECT "key" FROM "realm" WHERE "name" = ?', (realm,)).fetchall()
    start = int(time.time() * 1000)
    until = start + 86_400_000

    def made():
        for number in range(count):
            key, digest = fresh_key(number, start), os.urandom(16)
            record = {"key": key.hex(), "realm": realm.hex(), "target": {"token": digest.hex()}, "until": until}
            yield {
                "key": key, "version": 1, "body_version": 1, "expires_at": until, "realm": realm, "target": b"\0" + digest,
                "body": json.dumps(record, separators=(",", ":"))}

    return write(store, "revocation", made())
