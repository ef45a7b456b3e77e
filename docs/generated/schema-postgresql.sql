-- Generated from the kinds of records by crates/store/src/schema.rs; rewritten by UPDATE=1 cargo test -p jeton-store.

CREATE TABLE "installation" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "singleton" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "installation_singleton" ON "installation" ("singleton" NULLS FIRST);
CREATE INDEX "installation_expires_at" ON "installation" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "data_key" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "purpose" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "data_key_purpose" ON "data_key" ("purpose" NULLS FIRST);
CREATE INDEX "data_key_expires_at" ON "data_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "realm" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "name" text COLLATE "C",
  "issuer" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "realm_name" ON "realm" ("name" NULLS FIRST);
CREATE UNIQUE INDEX "realm_issuer" ON "realm" ("issuer" NULLS FIRST);
CREATE INDEX "realm_expires_at" ON "realm" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "resource_server" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "identifier" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "resource_server_identifier" ON "resource_server" ("realm" NULLS FIRST, "identifier" NULLS FIRST);
CREATE INDEX "resource_server_expires_at" ON "resource_server" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "signing_key" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "kid" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "signing_key_kid" ON "signing_key" ("realm" NULLS FIRST, "kid" NULLS FIRST);
CREATE INDEX "signing_key_expires_at" ON "signing_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "client" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "client_id" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "client_client_id" ON "client" ("realm" NULLS FIRST, "client_id" NULLS FIRST);
CREATE INDEX "client_expires_at" ON "client" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "api_key" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "client" bytea,
  "hash" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "api_key_hash" ON "api_key" ("realm" NULLS FIRST, "hash" NULLS FIRST);
CREATE INDEX "api_key_client" ON "api_key" ("client" NULLS FIRST, "key");
CREATE INDEX "api_key_expires_at" ON "api_key" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "token_family" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "client" bytea,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "token_family_client" ON "token_family" ("client" NULLS FIRST, "key");
CREATE INDEX "token_family_expires_at" ON "token_family" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "revocation" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "target" bytea,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "revocation_target" ON "revocation" ("realm" NULLS FIRST, "target" NULLS FIRST);
CREATE INDEX "revocation_expires_at" ON "revocation" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "request_id" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "audit_realm" ON "audit" ("realm" NULLS FIRST, "key");
CREATE INDEX "audit_request_id" ON "audit" ("request_id" NULLS FIRST, "key");
CREATE INDEX "audit_expires_at" ON "audit" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "journal_entry" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "client" bytea,
  "request_id" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "journal_entry_client" ON "journal_entry" ("realm" NULLS FIRST, "client" NULLS FIRST, "key");
CREATE INDEX "journal_entry_request_id" ON "journal_entry" ("request_id" NULLS FIRST, "key");
CREATE INDEX "journal_entry_expires_at" ON "journal_entry" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "usage" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "client" bytea,
  "hour" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "usage_client_hour" ON "usage" ("client" NULLS FIRST, "hour" NULLS FIRST);
CREATE INDEX "usage_expires_at" ON "usage" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "last_use" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "last_use_expires_at" ON "last_use" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit_mark" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "audit_mark_expires_at" ON "audit_mark" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "audit_seal" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "sequence" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "audit_seal_sequence" ON "audit_seal" ("sequence" NULLS FIRST);
CREATE INDEX "audit_seal_expires_at" ON "audit_seal" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "webhook" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "name" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "webhook_name" ON "webhook" ("name" NULLS FIRST);
CREATE INDEX "webhook_expires_at" ON "webhook" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "webhook_progress" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "webhook_progress_expires_at" ON "webhook_progress" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "delivery" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "webhook" bytea,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "delivery_webhook" ON "delivery" ("webhook" NULLS FIRST, "key");
CREATE INDEX "delivery_expires_at" ON "delivery" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "web_origin" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "client" bytea,
  "origin" text COLLATE "C",
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX "web_origin_origin" ON "web_origin" ("realm" NULLS FIRST, "origin" NULLS FIRST, "client" NULLS FIRST);
CREATE INDEX "web_origin_client" ON "web_origin" ("client" NULLS FIRST, "key");
CREATE INDEX "web_origin_expires_at" ON "web_origin" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "thrift" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "realm" bytea,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "thrift_realm" ON "thrift" ("realm" NULLS FIRST, "key");
CREATE INDEX "thrift_expires_at" ON "thrift" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "reminder" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "reminder_expires_at" ON "reminder" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "spent_assertion" (
  "key" bytea NOT NULL PRIMARY KEY,
  "version" bigint NOT NULL,
  "body_version" bigint NOT NULL,
  "expires_at" bigint,
  "body" json NOT NULL,
  "checksum" bigint NOT NULL DEFAULT 0
);
CREATE INDEX "spent_assertion_expires_at" ON "spent_assertion" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE "batch" (
  "id" bytea NOT NULL PRIMARY KEY,
  "at" bigint NOT NULL,
  "committed" boolean NOT NULL
);
CREATE INDEX "batch_at" ON "batch" ("at");

CREATE TABLE "change_log" (
  "xid" bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  "seq" bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  "at" bigint NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "key" bytea NOT NULL,
  PRIMARY KEY ("xid", "seq")
);
