/* interlock */
WITH
request AS MATERIALIZED (
    SELECT CAST(pg_catalog.convert_from(
        pg_catalog.decode(CAST($1 AS pg_catalog.text), 'base64'),
        CASE WHEN pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END
    ) AS pg_catalog.jsonb) AS it
),
sought AS MATERIALIZED (
    SELECT
        w.value OPERATOR(pg_catalog.->>) 'key' AS key,
        CAST(w.value OPERATOR(pg_catalog.->>) 'database' AS pg_catalog.name) AS database,
        CAST(w.value OPERATOR(pg_catalog.->>) 'schema' AS pg_catalog.name) AS schema,
        CAST(w.value OPERATOR(pg_catalog.->>) 'name' AS pg_catalog.name) AS name,
        w.value OPERATOR(pg_catalog.->>) 'kind' AS kind,
        CAST(w.value OPERATOR(pg_catalog.->>) 'anywhere' AS pg_catalog.bool) AS anywhere
    FROM request, pg_catalog.jsonb_array_elements(request.it) AS w (value)
),
-- The server's own order of search, in which it looks for relations and types in pg_temp but never for routines.
path AS MATERIALIZED (
    SELECT s.oid, p.place
    FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p (name, place)
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) p.name
    WHERE s.oid OPERATOR(pg_catalog.<>) pg_catalog.pg_my_temp_schema()
),
places AS MATERIALIZED (
    SELECT w.key, w.name, w.kind, s.oid AS schema, CAST(1 AS pg_catalog.int8) AS place
    FROM sought AS w
    JOIN pg_catalog.pg_namespace AS s
        ON s.nspname OPERATOR(pg_catalog.=) w.schema
        OR (w.schema OPERATOR(pg_catalog.=) 'pg_temp' AND s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
    WHERE w.schema IS NOT NULL
        AND (w.database IS NULL OR w.database OPERATOR(pg_catalog.=) pg_catalog.current_database())
    UNION ALL
    SELECT w.key, w.name, w.kind, p.oid, p.place
    FROM sought AS w, path AS p
    WHERE w.schema IS NULL AND NOT w.anywhere
    UNION ALL
    SELECT w.key, w.name, w.kind, s.oid, CAST(s.oid AS pg_catalog.int8)
    FROM sought AS w, pg_catalog.pg_namespace AS s
    WHERE w.schema IS NULL AND w.anywhere
),
-- Of two with the same arguments the server sees the one whose schema comes first.
found AS MATERIALIZED (
    SELECT DISTINCT ON (p.key, f.proargtypes, f.proallargtypes, CASE WHEN w.anywhere THEN p.schema END) p.key, f.oid
    FROM places AS p
    JOIN sought AS w ON w.key OPERATOR(pg_catalog.=) p.key
    JOIN pg_catalog.pg_proc AS f
        ON f.pronamespace OPERATOR(pg_catalog.=) p.schema AND f.proname OPERATOR(pg_catalog.=) p.name
    WHERE f.prokind OPERATOR(pg_catalog.=) CAST(pg_catalog.left(p.kind, 1) AS pg_catalog."char")
        AND (p.kind OPERATOR(pg_catalog.=) 'procedure' OR f.pronamespace OPERATOR(pg_catalog.<>) CAST('11' AS pg_catalog.oid))
    ORDER BY p.key, f.proargtypes, f.proallargtypes, CASE WHEN w.anywhere THEN p.schema END, p.place
),
-- The server runs what the newest catalog has, and we read by our snapshot, which may be old.
snapshot AS MATERIALIZED (
    SELECT pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) ALL (
        ARRAY['read committed', 'read uncommitted']
    ) AS is_old
),
answer AS (
    SELECT pg_catalog.json_build_object(
        'doubtful', (
            SELECT pg_catalog.json_agg(w.key)
            FROM sought AS w, snapshot
            WHERE snapshot.is_old
                AND w.schema IS NULL
                AND NOT EXISTS (SELECT 1 FROM found AS f WHERE f.key OPERATOR(pg_catalog.=) w.key)
                AND pg_catalog.to_regproc(pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))) IS NOT NULL
        ),
        'routines', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'key', f.key,
                'oid', CAST(p.oid AS pg_catalog.int8),
                'schema', n.nspname,
                'name', p.proname,
                'language', l.lanname,
                'source', CASE
                    WHEN l.lanname OPERATOR(pg_catalog.<>) ALL (CAST(ARRAY['plpgsql', 'sql'] AS pg_catalog.name[])) THEN NULL
                    WHEN pg_catalog.octet_length(p.prosrc) OPERATOR(pg_catalog.>) 1048576 THEN NULL
                    WHEN NOT snapshot.is_old THEN p.prosrc
                    WHEN pg_catalog.strpos(pg_catalog.pg_get_functiondef(p.oid), p.prosrc) OPERATOR(pg_catalog.>) 0 THEN p.prosrc
                END,
                'settings', p.proconfig,
                'is_other_user', p.prosecdef AND p.proowner OPERATOR(pg_catalog.<>) (
                    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
                ),
                'given', p.pronargs,
                'returned', (
                    SELECT pg_catalog.count(*) FROM pg_catalog.unnest(p.proargmodes) AS m (mode)
                    WHERE m.mode OPERATOR(pg_catalog.=) 'o'
                ),
                'defaults', p.pronargdefaults,
                'variadic', p.provariadic OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid),
                'calls', CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' THEN (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(s.nspname, c.proname))
                    FROM pg_catalog.pg_depend AS d
                    JOIN pg_catalog.pg_proc AS c ON c.oid OPERATOR(pg_catalog.=) d.refobjid
                    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.pronamespace
                    WHERE d.classid OPERATOR(pg_catalog.=) CAST('1255' AS pg_catalog.oid)
                        AND d.objid OPERATOR(pg_catalog.=) p.oid
                        AND d.refclassid OPERATOR(pg_catalog.=) CAST('1255' AS pg_catalog.oid)
                ) END
            ) ORDER BY f.key, p.oid)
            FROM found AS f
            JOIN pg_catalog.pg_proc AS p ON p.oid OPERATOR(pg_catalog.=) f.oid
            JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
            JOIN pg_catalog.pg_language AS l ON l.oid OPERATOR(pg_catalog.=) p.prolang
            CROSS JOIN snapshot
        )
    ) AS it
)
SELECT pg_catalog.concat(
    pg_catalog.getdatabaseencoding(), ' ',
    pg_catalog.encode(
        pg_catalog.convert_to(CAST(answer.it AS pg_catalog.text), pg_catalog.getdatabaseencoding()), 'base64')
) AS interlock
FROM answer
