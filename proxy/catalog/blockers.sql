/* interlock */
WITH RECURSIVE
request AS MATERIALIZED (
    SELECT CAST(pg_catalog.convert_from(
        pg_catalog.decode(CAST($1 AS pg_catalog.text), 'base64'),
        CASE WHEN pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END
    ) AS pg_catalog.jsonb) AS it
),
wanted AS MATERIALIZED (
    SELECT
        w.place,
        CAST(w.value OPERATOR(pg_catalog.->>) 0 AS pg_catalog.name) AS schema,
        CAST(w.value OPERATOR(pg_catalog.->>) 1 AS pg_catalog.name) AS name
    FROM request
    CROSS JOIN pg_catalog.jsonb_array_elements(request.it OPERATOR(pg_catalog.->) 'relations')
        WITH ORDINALITY AS w (value, place)
),
mode AS MATERIALIZED (
    SELECT m.value AS mode, m.place
    FROM request
    CROSS JOIN pg_catalog.jsonb_array_elements_text(request.it OPERATOR(pg_catalog.->) 'modes')
        WITH ORDINALITY AS m (value, place)
),
places AS MATERIALIZED (
    SELECT w.place AS key, w.name, s.oid AS schema, CAST(1 AS pg_catalog.int8) AS place
    FROM wanted AS w
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) w.schema
    UNION ALL
    SELECT w.place, w.name, s.oid, p.place
    FROM wanted AS w
    CROSS JOIN pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p (name, place)
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) p.name
    WHERE w.schema OPERATOR(pg_catalog.=) ''
),
tree (oid) AS (
    SELECT r.oid
    FROM (
        SELECT DISTINCT ON (p.key) c.oid
        FROM places AS p
        JOIN pg_catalog.pg_class AS c
            ON c.relnamespace OPERATOR(pg_catalog.=) p.schema AND c.relname OPERATOR(pg_catalog.=) p.name
        ORDER BY p.key, p.place
    ) AS r
    UNION
    SELECT h.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) t.oid
),
-- One row a transaction: what it holds before what it waits for, its strongest lock first.
held AS MATERIALIZED (
    SELECT DISTINCT ON (l.virtualtransaction)
        l.virtualtransaction, l.pid, l.mode, l.granted, l.relation
    FROM pg_catalog.pg_locks AS l
    JOIN tree AS t ON t.oid OPERATOR(pg_catalog.=) l.relation
    JOIN mode AS m ON m.mode OPERATOR(pg_catalog.=) l.mode
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
        AND l.database OPERATOR(pg_catalog.=) (
            SELECT d.oid FROM pg_catalog.pg_database AS d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
        )
        AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())
    ORDER BY l.virtualtransaction, l.granted DESC, m.place DESC
),
prepared AS MATERIALIZED (
    SELECT l.virtualtransaction, x.gid, x.prepared, o.oid AS owner
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction OPERATOR(pg_catalog.=) l.transactionid
    LEFT JOIN pg_catalog.pg_roles AS o ON o.rolname OPERATOR(pg_catalog.=) x.owner
    WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.pid IS NULL
),
-- What a transaction has once seen of pg_stat_activity it sees until its end, unless told to look again.
cleared AS MATERIALIZED (
    SELECT CAST(pg_catalog.pg_stat_clear_snapshot() AS pg_catalog.text) IS NOT NULL AS yes
),
answer AS (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'pid', COALESCE(h.pid, 0),
        'transaction', h.virtualtransaction,
        'mode', h.mode,
        'granted', h.granted,
        'relation', pg_catalog.json_build_array(s.nspname, c.relname),
        'user', pg_catalog.pg_get_userbyid(COALESCE(a.usesysid, x.owner)),
        'application_name', a.application_name,
        'state', a.state,
        'wait_event', a.wait_event,
        'transaction_age_ms', CAST(
            pg_catalog.date_part('epoch',
                pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) COALESCE(a.xact_start, x.prepared)
            ) OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8) AS pg_catalog.int8),
        'state_age_ms', CAST(
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.state_change)
            OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8) AS pg_catalog.int8),
        'query', CASE WHEN a.state IS NOT NULL THEN pg_catalog.left(a.query, 400) END,
        'gid', x.gid,
        'is_autovacuum', a.pid IS NOT NULL AND a.usesysid IS NULL,
        'waits_for_us', w.yes
    ) ORDER BY h.granted DESC, COALESCE(a.xact_start, x.prepared), h.virtualtransaction) AS it
    FROM held AS h
    CROSS JOIN cleared
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) h.relation
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
    LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(CASE WHEN cleared.yes THEN COALESCE(h.pid, 0) END) AS a ON true
    LEFT JOIN prepared AS x
        ON h.pid IS NULL AND x.virtualtransaction OPERATOR(pg_catalog.=) h.virtualtransaction
    CROSS JOIN LATERAL (
        SELECT CASE WHEN h.pid IS NOT NULL AND COALESCE(a.wait_event_type, 'Lock') OPERATOR(pg_catalog.=) 'Lock'
            THEN pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(h.pid))
            ELSE false END AS yes
    ) AS w
    -- Who waits for a lock of this very transaction is not in front of it.
    WHERE h.granted OR NOT w.yes
)
SELECT pg_catalog.concat(
    pg_catalog.getdatabaseencoding(), ' ',
    pg_catalog.encode(
        pg_catalog.convert_to(CAST(answer.it AS pg_catalog.text), pg_catalog.getdatabaseencoding()), 'base64')
) AS interlock
FROM answer
