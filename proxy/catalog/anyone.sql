/* interlock */
WITH RECURSIVE
tree (oid) AS (
    SELECT c.oid
    FROM ROWS FROM (
        pg_catalog.unnest(CAST($1 AS pg_catalog.name[])), pg_catalog.unnest(CAST($2 AS pg_catalog.name[]))
    ) AS w (schema, name)
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) w.schema
    JOIN pg_catalog.pg_class AS c
        ON c.relnamespace OPERATOR(pg_catalog.=) s.oid AND c.relname OPERATOR(pg_catalog.=) w.name
    UNION
    SELECT h.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) t.oid
),
-- What a transaction has once seen of pg_stat_activity it sees until its end, unless told to look again.
cleared AS MATERIALIZED (
    SELECT CAST(pg_catalog.pg_stat_clear_snapshot() AS pg_catalog.text) IS NOT NULL AS yes
)
SELECT EXISTS (
    SELECT
    FROM cleared
    CROSS JOIN pg_catalog.pg_lock_status() AS l
    LEFT JOIN LATERAL pg_catalog.pg_stat_get_activity(CASE WHEN cleared.yes THEN COALESCE(l.pid, 0) END) AS a ON true
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
        AND l.mode OPERATOR(pg_catalog.=) ANY (CAST($3 AS pg_catalog.text[]))
        AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())
        AND l.relation OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT t.oid FROM tree AS t))
        -- Of prepared transactions, and of what is hidden from this role, the age is not known here.
        AND (a.xact_start IS NULL OR a.usesysid IS NULL OR (
            pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start)
            OPERATOR(pg_catalog.*) CAST('1000' AS pg_catalog.float8)
        ) OPERATOR(pg_catalog.>=) CAST($4 AS pg_catalog.float8))
) AS interlock
