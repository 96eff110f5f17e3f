/* interlock */
WITH
request AS MATERIALIZED (
    SELECT CAST(pg_catalog.convert_from(pg_catalog.decode(CAST($1 AS pg_catalog.text), 'base64'), 'SQL_ASCII')
        AS pg_catalog.jsonb) AS it
),
cleared AS MATERIALIZED (
    SELECT CAST(pg_catalog.pg_stat_clear_snapshot() AS pg_catalog.text) IS NOT NULL AS yes
),
everybody AS MATERIALIZED (
    SELECT a.*
    FROM cleared
    CROSS JOIN LATERAL pg_catalog.pg_stat_get_activity(CASE WHEN cleared.yes THEN NULL ELSE 0 END) AS a
),
-- The builder may be in another database than who asks.
activity AS MATERIALIZED (
    SELECT a.*
    FROM everybody AS a
    WHERE a.datid OPERATOR(pg_catalog.=) COALESCE(
        (
            SELECT e.datid FROM everybody AS e
            JOIN request ON e.pid OPERATOR(pg_catalog.=) CAST(request.it OPERATOR(pg_catalog.->>) 'pid' AS pg_catalog.int4)
        ),
        (
            SELECT d.oid FROM pg_catalog.pg_database AS d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
        )
    )
),
builder AS MATERIALIZED (
    SELECT a.pid, a.backend_xmin
    FROM activity AS a
    JOIN request ON a.pid OPERATOR(pg_catalog.=) CAST(request.it OPERATOR(pg_catalog.->>) 'pid' AS pg_catalog.int4)
),
-- Whom it waits for at this moment: a snapshot or a lock; 0 is a prepared transaction.
waited AS MATERIALIZED (
    SELECT DISTINCT w.pid
    FROM builder AS b
    CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(b.pid)) AS w (pid)
),
prepared AS MATERIALIZED (
    SELECT x.gid, x.prepared, x.owner
    FROM builder AS b
    JOIN pg_catalog.pg_locks AS l
        ON l.pid OPERATOR(pg_catalog.=) b.pid
        AND NOT l.granted
        AND l.locktype OPERATOR(pg_catalog.=) 'transactionid'
    JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction OPERATOR(pg_catalog.=) l.transactionid
),
-- And whose snapshot is no younger than its own: it will wait for those in the end.
older AS MATERIALIZED (
    SELECT a.pid
    FROM activity AS a
    LEFT JOIN builder AS b ON true
    WHERE a.backend_xmin IS NOT NULL
        AND a.usesysid IS NOT NULL
        AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
        AND (b.pid IS NULL OR a.pid OPERATOR(pg_catalog.<>) b.pid)
        AND (
            b.backend_xmin IS NULL
            OR pg_catalog.age(a.backend_xmin) OPERATOR(pg_catalog.>=) pg_catalog.age(b.backend_xmin)
        )
),
blocker AS MATERIALIZED (
    SELECT w.pid, true AS granted FROM waited AS w
    UNION ALL
    SELECT o.pid, false FROM older AS o
    WHERE NOT EXISTS (SELECT 1 FROM waited AS w WHERE w.pid OPERATOR(pg_catalog.=) o.pid)
),
answer AS (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
        'pid', b.pid,
        'transaction', COALESCE((
            SELECT l.virtualtransaction FROM pg_catalog.pg_locks AS l
            WHERE l.pid OPERATOR(pg_catalog.=) a.pid AND l.locktype OPERATOR(pg_catalog.=) 'virtualxid' AND l.granted
            LIMIT 1
        ), x.gid),
        'mode', 'snapshot',
        'granted', b.granted,
        'relation', NULL,
        'user', COALESCE(pg_catalog.pg_get_userbyid(a.usesysid), x.owner),
        'application_name', a.application_name,
        'state', a.state,
        'wait_event', a.wait_event,
        'transaction_age_ms', CAST(
            pg_catalog.date_part('epoch',
                pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) COALESCE(a.xact_start, x.prepared))
            OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8) AS pg_catalog.int8),
        'state_age_ms', CAST(
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.state_change)
            OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8) AS pg_catalog.int8),
        'query', CASE WHEN a.state IS NOT NULL THEN pg_catalog.left(a.query, 400) END,
        'gid', x.gid,
        'is_autovacuum', a.pid IS NOT NULL AND a.usesysid IS NULL
    ) ORDER BY b.granted DESC, COALESCE(a.xact_start, x.prepared), b.pid) AS it
    FROM blocker AS b
    LEFT JOIN activity AS a ON a.pid OPERATOR(pg_catalog.=) b.pid
    LEFT JOIN prepared AS x ON b.pid OPERATOR(pg_catalog.=) 0
)
SELECT pg_catalog.concat(
    pg_catalog.getdatabaseencoding(), ' ',
    pg_catalog.encode(
        pg_catalog.convert_to(CAST(answer.it AS pg_catalog.text), pg_catalog.getdatabaseencoding()), 'base64')
) AS interlock
FROM answer
