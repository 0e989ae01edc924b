BEGIN TRANSACTION;
CREATE TABLE acks (
        session TEXT NOT NULL,
        consumer TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (session, consumer, seq)
    ) WITHOUT ROWID;
CREATE TABLE consumers (
        session TEXT NOT NULL,
        consumer TEXT NOT NULL,
        through INTEGER NOT NULL DEFAULT 0,
        missed INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session, consumer)
    ) WITHOUT ROWID;
CREATE TABLE ended (
        session TEXT NOT NULL,
        state TEXT NOT NULL,
        count INTEGER NOT NULL,
        first REAL NOT NULL,
        last REAL NOT NULL,
        PRIMARY KEY (session, state)
    ) WITHOUT ROWID;
INSERT INTO "ended" VALUES('t','completed',1,1800000000.0,1800000006.0);
CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        born INTEGER NOT NULL,
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        type TEXT NOT NULL,
        at REAL NOT NULL,
        json TEXT NOT NULL
    );
INSERT INTO "events" VALUES(1,1,'s','done','registered',1800000000.0,'{"seq":1,"at":1800000000.0,"type":"registered","session_id":"s","task_id":"done","record":{"id":"done","session_id":"s","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"pending","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":null,"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000000.0,"started_at":null,"updated_at":1800000000.0,"completed_at":null,"host_id":"host","seq":1},"previous":null,"reason":null,"from_session_id":null,"count":null,"next_seq":null}');
INSERT INTO "events" VALUES(2,2,'s','live','registered',1800000001.0,'{"seq":2,"at":1800000001.0,"type":"registered","session_id":"s","task_id":"live","record":{"id":"live","session_id":"s","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"pending","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":null,"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000001.0,"started_at":null,"updated_at":1800000001.0,"completed_at":null,"host_id":"host","seq":2},"previous":null,"reason":null,"from_session_id":null,"count":null,"next_seq":null}');
INSERT INTO "events" VALUES(4,1,'s','done','state_changed',1800000003.0,'{"seq":4,"at":1800000003.0,"type":"state_changed","session_id":"s","task_id":"done","record":{"id":"done","session_id":"s","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"running","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":null,"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000000.0,"started_at":1800000003.0,"updated_at":1800000003.0,"completed_at":null,"host_id":"host","seq":4},"previous":"pending","reason":null,"from_session_id":null,"count":null,"next_seq":null}');
INSERT INTO "events" VALUES(5,1,'s','done','progress',1800000004.0,'{"seq":5,"at":1800000004.0,"type":"progress","session_id":"s","task_id":"done","record":{"id":"done","session_id":"s","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"running","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":{"message":null,"done":1.0,"total":null,"unit":null},"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000000.0,"started_at":1800000003.0,"updated_at":1800000004.0,"completed_at":null,"host_id":"host","seq":5},"previous":null,"reason":null,"from_session_id":null,"count":null,"next_seq":null}');
INSERT INTO "events" VALUES(6,1,'t','done','transferred',1800000005.0,'{"seq":6,"at":1800000005.0,"type":"transferred","session_id":"t","task_id":"done","record":{"id":"done","session_id":"t","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"running","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":{"message":null,"done":1.0,"total":null,"unit":null},"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000000.0,"started_at":1800000003.0,"updated_at":1800000005.0,"completed_at":null,"host_id":"host","seq":6},"previous":null,"reason":null,"from_session_id":"s","count":null,"next_seq":null}');
INSERT INTO "events" VALUES(7,1,'t','done','completed',1800000006.0,'{"seq":7,"at":1800000006.0,"type":"completed","session_id":"t","task_id":"done","record":{"id":"done","session_id":"t","kind":"other","producer":"","label":"","parent_task_id":null,"child_session_id":null,"state":"completed","cancel_policy":"cooperative","close_policy":"keep","attempt":{"attempt":1,"max_attempts":1,"idempotency_key":null},"progress":{"message":null,"done":1.0,"total":null,"unit":null},"result":null,"failure":null,"cancel_reason":null,"cancel_actor":null,"created_at":1800000000.0,"started_at":1800000003.0,"updated_at":1800000006.0,"completed_at":1800000006.0,"host_id":"host","seq":7},"previous":null,"reason":null,"from_session_id":null,"count":null,"next_seq":null}');
CREATE TABLE forgotten (
        through INTEGER NOT NULL,
        times INTEGER NOT NULL
    );
INSERT INTO "forgotten" VALUES(8,1);
CREATE TABLE moves (
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        born INTEGER NOT NULL,
        PRIMARY KEY (session, task)
    );
INSERT INTO "moves" VALUES('s','done',1);
CREATE TABLE notices (
        seq INTEGER PRIMARY KEY,
        born INTEGER NOT NULL,
        session TEXT NOT NULL,
        json TEXT NOT NULL
    );
CREATE TABLE results (
        seq INTEGER PRIMARY KEY,
        value TEXT NOT NULL
    );
INSERT INTO "results" VALUES(7,'"large"');
CREATE TABLE tasks (
        born INTEGER PRIMARY KEY,
        session TEXT NOT NULL,
        task TEXT NOT NULL,
        seq INTEGER NOT NULL,
        state TEXT NOT NULL,
        params TEXT, kind TEXT NOT NULL DEFAULT '', parent TEXT, key TEXT,
        UNIQUE (session, task)
    );
INSERT INTO "tasks" VALUES(1,'t','done',7,'completed',NULL,'other',NULL,NULL);
INSERT INTO "tasks" VALUES(2,'s','live',2,'pending','{"n":2}','other',NULL,NULL);
CREATE INDEX events_of_task ON events (born);
CREATE INDEX live_tasks ON tasks (born)
        WHERE state IN ('cancel_requested', 'pending', 'running', 'waiting');
CREATE INDEX ended_tasks ON tasks (session, seq)
        WHERE state IN ('abandoned', 'cancelled', 'completed', 'failed');
CREATE INDEX ended_by_id ON tasks (task)
        WHERE state IN ('abandoned', 'cancelled', 'completed', 'failed');
CREATE INDEX tasks_by_key ON tasks (session, key) WHERE key IS NOT NULL;
CREATE INDEX tasks_by_parent ON tasks (parent) WHERE parent IS NOT NULL;
CREATE INDEX moves_of_task ON moves (born);
CREATE INDEX notices_of_session ON notices (session, seq);
CREATE INDEX notices_of_task ON notices (born);
COMMIT;
PRAGMA application_id = 1752134516;
PRAGMA user_version = 3;
