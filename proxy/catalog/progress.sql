/* interlock */
SELECT
    a.pid,
    p.pid IS NOT NULL AS counted,
    p.phase,
    p.lockers_total, p.lockers_done,
    p.blocks_total, p.blocks_done,
    p.tuples_total, p.tuples_done,
    a.wait_event_type,
    pg_catalog.pg_blocking_pids(a.pid) AS waits_for
FROM pg_catalog.pg_stat_get_activity(CAST($1 AS pg_catalog.int4)) AS a
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS p ON p.pid OPERATOR(pg_catalog.=) a.pid
WHERE a.datid IS NOT NULL
