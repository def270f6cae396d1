"""Key stores as older versions of Headgate have left them, in their literal statements."""

from pathlib import Path

SCHEMA_1 = """
CREATE TABLE keys (
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);
INSERT INTO keys (id, name, digest, created_at, expires_at, revoked_at) VALUES
    ('k_00000001', 'ci', zeroblob(32), 1, NULL, NULL),
    ('k_00000002', 'ada', randomblob(32), 2, 20, 15),
    ('k_00000003', 'bad', randomblob(32), 3, 'tomorrow', NULL);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 1;
"""
SCHEMA_2 = """
CREATE TABLE keys (
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    roles      TEXT NOT NULL DEFAULT ''
);
INSERT INTO keys (id, name, digest, created_at, expires_at, revoked_at, roles) VALUES
    ('k_00000001', 'ci', zeroblob(32), 1, NULL, NULL, 'writer publisher'),
    ('k_00000002', 'ada', randomblob(32), 2, 20, 15, ''),
    ('k_00000003', 'bad', randomblob(32), 3, 'tomorrow', NULL, 'viewer');
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 2;
"""
SCHEMA_3 = """
CREATE TABLE keys (
    serial     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE CHECK (typeof(id) = 'text'),
    name       TEXT NOT NULL CHECK (typeof(name) = 'text'),
    digest     BLOB NOT NULL UNIQUE
               CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
    created_at INTEGER NOT NULL
               CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN 0 AND 253402300799),
    expires_at INTEGER CHECK (expires_at IS NULL OR
               (typeof(expires_at) = 'integer' AND expires_at BETWEEN 0 AND 253402300799)),
    revoked_at INTEGER CHECK (revoked_at IS NULL OR
               (typeof(revoked_at) = 'integer' AND revoked_at BETWEEN 0 AND 253402300799)),
    roles      TEXT NOT NULL DEFAULT '' CHECK (typeof(roles) = 'text'),
    roles_edition INTEGER NOT NULL DEFAULT 2
);
PRAGMA ignore_check_constraints = ON;
INSERT INTO keys (id, name, digest, created_at, expires_at, revoked_at, roles, roles_edition) VALUES
    ('k_00000001', 'ci', zeroblob(32), 1, NULL, NULL, 'writer publisher', 1),
    ('k_00000002', 'ada', randomblob(32), 2, 20, 15, '', 2),
    ('k_00000003', 'bad', randomblob(32), 3, 'tomorrow', NULL, 'viewer', 2);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 3;
"""
SCHEMA_4 = Path(__file__).with_name("schema_4.sql").read_text(encoding="utf-8")
SCHEMA_5 = (
    SCHEMA_4.replace("alembic_version VALUES ('4')", "alembic_version VALUES ('5')")
    + """
CREATE TABLE directives (
    upstream  TEXT PRIMARY KEY NOT NULL CHECK (typeof(upstream) = 'text'),
    revision  INTEGER NOT NULL CHECK (typeof(revision) = 'integer'),
    asked     INTEGER NOT NULL CHECK (typeof(asked) = 'integer'),
    park      TEXT,
    read_only TEXT
);
CREATE TABLE gates (
    id        TEXT PRIMARY KEY NOT NULL CHECK (typeof(id) = 'text'),
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    workers   INTEGER NOT NULL,
    heard_at  REAL NOT NULL,
    upstreams TEXT NOT NULL
);
INSERT INTO gates VALUES ('g_00000001', 'gate-1 0.0.0.0:8080', '1.2.3', 2, 1.5, '{}');
"""
)
