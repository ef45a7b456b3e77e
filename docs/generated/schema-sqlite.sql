-- Generated from the kinds of records by crates/store/src/schema.rs; rewritten by UPDATE=1 cargo test -p jeton-store.

CREATE TABLE "installation" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "singleton" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "installation_singleton" ON "installation" ("singleton");
CREATE INDEX "installation_expires_at" ON "installation" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "data_key" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "purpose" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "data_key_purpose" ON "data_key" ("purpose");
CREATE INDEX "data_key_expires_at" ON "data_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "realm" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "name" TEXT,
  "issuer" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "realm_name" ON "realm" ("name");
CREATE UNIQUE INDEX "realm_issuer" ON "realm" ("issuer");
CREATE INDEX "realm_expires_at" ON "realm" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "resource_server" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "identifier" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "resource_server_identifier" ON "resource_server" ("realm", "identifier");
CREATE INDEX "resource_server_expires_at" ON "resource_server" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "signing_key" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "kid" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "signing_key_kid" ON "signing_key" ("realm", "kid");
CREATE INDEX "signing_key_expires_at" ON "signing_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "client" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "client_id" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "client_client_id" ON "client" ("realm", "client_id");
CREATE INDEX "client_expires_at" ON "client" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "api_key" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "client" BLOB,
  "hash" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "api_key_hash" ON "api_key" ("realm", "hash");
CREATE INDEX "api_key_client" ON "api_key" ("client", "key");
CREATE INDEX "api_key_expires_at" ON "api_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "token_family" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "client" BLOB,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "token_family_client" ON "token_family" ("client", "key");
CREATE INDEX "token_family_expires_at" ON "token_family" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "revocation" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "target" BLOB,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "revocation_target" ON "revocation" ("realm", "target");
CREATE INDEX "revocation_expires_at" ON "revocation" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "request_id" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "audit_realm" ON "audit" ("realm", "key");
CREATE INDEX "audit_request_id" ON "audit" ("request_id", "key");
CREATE INDEX "audit_expires_at" ON "audit" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "journal_entry" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "client" BLOB,
  "request_id" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "journal_entry_client" ON "journal_entry" ("realm", "client", "key");
CREATE INDEX "journal_entry_request_id" ON "journal_entry" ("request_id", "key");
CREATE INDEX "journal_entry_expires_at" ON "journal_entry" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "usage" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "client" BLOB,
  "hour" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "usage_client_hour" ON "usage" ("client", "hour");
CREATE INDEX "usage_expires_at" ON "usage" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "last_use" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "last_use_expires_at" ON "last_use" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit_mark" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "audit_mark_expires_at" ON "audit_mark" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit_seal" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "sequence" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "audit_seal_sequence" ON "audit_seal" ("sequence");
CREATE INDEX "audit_seal_expires_at" ON "audit_seal" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "webhook" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "name" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "webhook_name" ON "webhook" ("name");
CREATE INDEX "webhook_expires_at" ON "webhook" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "webhook_progress" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "webhook_progress_expires_at" ON "webhook_progress" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "delivery" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "webhook" BLOB,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "delivery_webhook" ON "delivery" ("webhook", "key");
CREATE INDEX "delivery_expires_at" ON "delivery" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "web_origin" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "client" BLOB,
  "origin" TEXT,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "web_origin_origin" ON "web_origin" ("realm", "origin", "client");
CREATE INDEX "web_origin_client" ON "web_origin" ("client", "key");
CREATE INDEX "web_origin_expires_at" ON "web_origin" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "thrift" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "realm" BLOB,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "thrift_realm" ON "thrift" ("realm", "key");
CREATE INDEX "thrift_expires_at" ON "thrift" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "reminder" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "reminder_expires_at" ON "reminder" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "spent_assertion" (
  "key" BLOB NOT NULL PRIMARY KEY,
  "version" INTEGER NOT NULL,
  "body_version" INTEGER NOT NULL,
  "expires_at" INTEGER,
  "body" TEXT NOT NULL,
  "checksum" INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX "spent_assertion_expires_at" ON "spent_assertion" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "batch" (
  "id" BLOB NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX "batch_at" ON "batch" ("at");

CREATE TABLE "change_log" (
  "seq" INTEGER NOT NULL PRIMARY KEY,
  "at" INTEGER NOT NULL,
  "kind" TEXT NOT NULL,
  "key" BLOB NOT NULL
) STRICT;
