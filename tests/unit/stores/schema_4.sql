-- A key store of schema 4 that was brought up from 3, with a bad row.
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
, full_roles TEXT, principal_id TEXT, description TEXT, narrowing TEXT, created_by TEXT, replaces TEXT, break_glass TEXT, changed INTEGER);
CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num) );
CREATE INDEX keys_by_name ON keys (name);
CREATE INDEX keys_by_principal ON keys (principal_id);
CREATE INDEX keys_by_change ON keys (changed);
CREATE TABLE principals (
        serial      INTEGER PRIMARY KEY,
        id          TEXT NOT NULL UNIQUE CHECK (typeof(id) = 'text'),
        name        TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text'),
        kind        TEXT NOT NULL CHECK (kind IN ('person', 'service')),
        roles       TEXT NOT NULL CHECK (typeof(roles) = 'text'),
        created_at  INTEGER NOT NULL CHECK (typeof(created_at) = 'integer'),
        created_by  TEXT,
        description TEXT,
        disabled_at INTEGER CHECK (disabled_at IS NULL OR typeof(disabled_at) = 'integer'),
        changed     INTEGER
    );
CREATE INDEX principals_by_change ON principals (changed);
CREATE TABLE store_state (
        one          INTEGER PRIMARY KEY CHECK (one = 1),
        store_id     TEXT NOT NULL,
        serves_from  INTEGER NOT NULL,
        sequence     INTEGER NOT NULL,
        token        TEXT NOT NULL,
        writing      INTEGER NOT NULL,
        first_key_at INTEGER
    );
CREATE TABLE changes (sequence INTEGER PRIMARY KEY, token TEXT NOT NULL, whole INTEGER);
CREATE TABLE first_key (
        one      INTEGER PRIMARY KEY CHECK (one = 1),
        key_id   TEXT NOT NULL,
        taken_at INTEGER NOT NULL
    );
CREATE TABLE key_uses (
        key_id  TEXT PRIMARY KEY,
        used_at INTEGER NOT NULL,
        address TEXT NOT NULL
    );
CREATE TRIGGER keys_insert_by_others AFTER INSERT ON keys WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER keys_update_by_others AFTER UPDATE ON keys WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER keys_delete_by_others AFTER DELETE ON keys WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER principals_insert_by_others AFTER INSERT ON principals WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER principals_update_by_others AFTER UPDATE ON principals WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER principals_delete_by_others AFTER DELETE ON principals WHEN (SELECT writing FROM store_state) = 0
        BEGIN
    UPDATE store_state SET sequence = sequence + 1, token = lower(hex(randomblob(8)));
    INSERT INTO changes (sequence, token, whole) SELECT sequence, token, 1 FROM store_state;
 END;
CREATE TRIGGER keys_roles_by_others AFTER UPDATE OF roles ON keys WHEN (SELECT writing FROM store_state) = 0
    BEGIN UPDATE keys SET full_roles = NULL WHERE serial = NEW.serial; END;
INSERT INTO store_state VALUES (1, '0123456789abcdef', 3, 2, 'c2', 0, NULL);
INSERT INTO changes VALUES (0, 'c0', 1), (1, 'c1', 1), (2, 'c2', 1);
INSERT INTO alembic_version VALUES ('4');
PRAGMA ignore_check_constraints = ON;
INSERT INTO keys (id, name, digest, created_at, expires_at, revoked_at, roles, roles_edition) VALUES
    ('k_00000001', 'ci', zeroblob(32), 1, NULL, NULL, 'writer publisher', 1),
    ('k_00000002', 'ada', randomblob(32), 2, 20, 15, '', 2),
    ('k_00000003', 'bad', randomblob(32), 3, 'tomorrow', NULL, 'viewer', 2);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 3;
