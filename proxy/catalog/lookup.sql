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
        CAST(w.value OPERATOR(pg_catalog.->>) 'key' AS pg_catalog.int4) AS key,
        CAST(w.value OPERATOR(pg_catalog.->>) 'database' AS pg_catalog.name) AS database,
        CAST(w.value OPERATOR(pg_catalog.->>) 'schema' AS pg_catalog.name) AS schema,
        CAST(w.value OPERATOR(pg_catalog.->>) 'name' AS pg_catalog.name) AS name,
        w.value OPERATOR(pg_catalog.->>) 'how' AS how,
        CAST(w.value OPERATOR(pg_catalog.->>) 'beside' AS pg_catalog.int4) AS beside
    FROM request, pg_catalog.jsonb_array_elements(request.it OPERATOR(pg_catalog.->) 'names') AS w (value)
),
-- The server's own order of search; it leaves out what does not exist or may not be used.
path AS MATERIALIZED (
    SELECT s.oid, p.place
    FROM pg_catalog.unnest(pg_catalog.current_schemas(true)) WITH ORDINALITY AS p (name, place)
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) p.name
),
-- Where a name may be: one schema for a qualified or a new name, the path for any other.
places AS MATERIALIZED (
    SELECT w.key, w.name, s.oid AS schema, CAST(1 AS pg_catalog.int8) AS place
    FROM wanted AS w
    JOIN pg_catalog.pg_namespace AS s
        ON s.nspname OPERATOR(pg_catalog.=) w.schema
        OR (w.schema OPERATOR(pg_catalog.=) 'pg_temp' AND s.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
    WHERE w.beside IS NULL
        AND w.schema IS NOT NULL
        AND (w.database IS NULL OR w.database OPERATOR(pg_catalog.=) pg_catalog.current_database())
        AND pg_catalog.has_schema_privilege(s.oid, 'USAGE')
    UNION ALL
    SELECT w.key, w.name, p.oid, p.place
    FROM wanted AS w, path AS p
    WHERE w.beside IS NULL AND w.schema IS NULL AND w.how OPERATOR(pg_catalog.=) 'visible'
    UNION ALL
    SELECT w.key, w.name, s.oid, CAST(1 AS pg_catalog.int8)
    FROM wanted AS w
    JOIN pg_catalog.pg_namespace AS s ON s.nspname OPERATOR(pg_catalog.=) pg_catalog.current_schema()
    WHERE w.beside IS NULL AND w.schema IS NULL AND w.how OPERATOR(pg_catalog.=) 'create'
),
alone AS MATERIALIZED (
    SELECT DISTINCT ON (p.key) p.key, c.oid, c.relnamespace AS schema
    FROM places AS p
    JOIN pg_catalog.pg_class AS c
        ON c.relnamespace OPERATOR(pg_catalog.=) p.schema AND c.relname OPERATOR(pg_catalog.=) p.name
    ORDER BY p.key, p.place
),
found AS MATERIALIZED (
    SELECT a.key, a.oid FROM alone AS a
    UNION ALL
    SELECT w.key, c.oid
    FROM wanted AS w
    JOIN alone AS a ON a.key OPERATOR(pg_catalog.=) w.beside
    JOIN pg_catalog.pg_class AS c
        ON c.relnamespace OPERATOR(pg_catalog.=) a.schema AND c.relname OPERATOR(pg_catalog.=) w.name
),
-- The server resolves names by the newest catalog, we by our snapshot, which is old in REPEATABLE READ.
doubtful AS MATERIALIZED (
    SELECT w.key
    FROM wanted AS w
    LEFT JOIN alone AS a ON a.key OPERATOR(pg_catalog.=) w.beside
    LEFT JOIN found AS f ON f.key OPERATOR(pg_catalog.=) w.key
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN w.beside IS NOT NULL THEN CAST(CAST(a.schema AS pg_catalog.regnamespace) AS pg_catalog.text)
            WHEN w.schema IS NOT NULL THEN pg_catalog.quote_ident(CAST(w.schema AS pg_catalog.text))
            WHEN w.how OPERATOR(pg_catalog.=) 'create'
                THEN pg_catalog.quote_ident(CAST(pg_catalog.current_schema() AS pg_catalog.text))
        END AS schema
    ) AS s
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN w.beside IS NULL AND w.schema IS NULL AND w.how OPERATOR(pg_catalog.=) 'visible'
                THEN pg_catalog.to_regclass(pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text)))
            WHEN pg_catalog.has_schema_privilege(CAST(pg_catalog.to_regnamespace(s.schema) AS pg_catalog.oid), 'USAGE')
                THEN pg_catalog.to_regclass(pg_catalog.concat(
                    s.schema, '.', pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))))
        END AS oid
    ) AS t
    WHERE (w.schema IS NULL OR w.schema OPERATOR(pg_catalog.<>) 'pg_temp')
        AND (w.database IS NULL OR w.database OPERATOR(pg_catalog.=) pg_catalog.current_database())
        AND COALESCE(CAST(f.oid AS pg_catalog.oid), CAST('0' AS pg_catalog.oid))
            OPERATOR(pg_catalog.<>) COALESCE(CAST(t.oid AS pg_catalog.oid), CAST('0' AS pg_catalog.oid))
),
-- if parts
-- What lies below the partitioned tables that are named, and below the default partitions of those.
part (oid) AS (
    SELECT h.inhrelid
    FROM found AS f
    JOIN pg_catalog.pg_class AS c
        ON c.oid OPERATOR(pg_catalog.=) f.oid AND c.relkind OPERATOR(pg_catalog.=) 'p'
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) c.oid
    UNION
    SELECT h.inhrelid
    FROM part AS p
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) p.oid
),
-- end parts
named AS MATERIALIZED (
    SELECT f.oid FROM found AS f
    UNION
    SELECT i.indrelid
    FROM found AS f
    JOIN pg_catalog.pg_index AS i ON i.indexrelid OPERATOR(pg_catalog.=) f.oid
    UNION
    SELECT p.partdefid
    FROM found AS f
    JOIN pg_catalog.pg_partitioned_table AS p ON p.partrelid OPERATOR(pg_catalog.=) f.oid
    WHERE p.partdefid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
),
subject AS MATERIALIZED (
    SELECT n.oid FROM named AS n
    -- if parts
    UNION
    SELECT p.oid FROM part AS p
    -- end parts
),
tree (root, oid) AS (
    SELECT s.oid, s.oid FROM subject AS s
    UNION ALL
    SELECT t.root, h.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) t.oid
),
held AS MATERIALIZED (
    SELECT
        l.relation,
        l.mode,
        l.granted,
        -- no pid: a prepared transaction
        (l.pid IS NOT NULL AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) AS mine,
        -- no user: autovacuum, which makes way
        EXISTS (
            SELECT 1
            FROM pg_catalog.pg_stat_activity AS a
            WHERE a.pid OPERATOR(pg_catalog.=) l.pid AND a.usesysid IS NULL
        ) AS by_autovacuum
    FROM pg_catalog.pg_locks AS l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
        AND (
            l.mode OPERATOR(pg_catalog.=) ANY (
                ARRAY['AccessExclusiveLock', 'ShareUpdateExclusiveLock']
            )
            OR (
                l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
                AND l.mode OPERATOR(pg_catalog.=) ANY (
                    ARRAY['RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock']
                )
            )
        )
        AND l.database OPERATOR(pg_catalog.=) (
            SELECT d.oid FROM pg_catalog.pg_database AS d
            WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
        )
),
-- pg_relation_size() would wait behind another session's ACCESS EXCLUSIVE, granted or queued.
closed AS MATERIALIZED (
    SELECT DISTINCT h.relation
    FROM held AS h
    WHERE h.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND NOT h.mine
),
-- if inside
-- Tables that this transaction has locked or written, on behalf of earlier statements; its locks last until COMMIT.
own AS MATERIALIZED (
    SELECT c.oid, h.mode, c.relpages, c.reltuples, c.reltoastrelid, c.relkind
    FROM held AS h
    CROSS JOIN LATERAL (
        SELECT x.oid, x.relpages, x.reltuples, x.reltoastrelid, x.relkind
        FROM pg_catalog.pg_class AS x
        WHERE x.oid OPERATOR(pg_catalog.=) h.relation
            AND x.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'p', 'm'] AS pg_catalog."char"[]))
            AND x.relpersistence OPERATOR(pg_catalog.<>) 't'
            AND x.relnamespace OPERATOR(pg_catalog.<>) CAST('11' AS pg_catalog.oid)
        OFFSET 0
    ) AS c
    WHERE h.mine AND h.granted AND h.mode OPERATOR(pg_catalog.<>) 'ShareUpdateExclusiveLock'
),
-- end inside
member AS MATERIALIZED (
    SELECT
        s.oid AS root,
        c.oid OPERATOR(pg_catalog.<>) s.oid AS below,
        c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['p', 'I'] AS pg_catalog."char"[])) AS is_partitioned,
        c.relpages,
        c.reltuples,
        CASE
            WHEN c.relkind OPERATOR(pg_catalog.=) 'f' THEN NULL
            WHEN NOT k.stored THEN 0
            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) c.oid) THEN NULL
            ELSE pg_catalog.pg_relation_size(CAST(c.oid AS pg_catalog.regclass), 'main')
        END AS heap,
        CASE
            WHEN c.reltoastrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN 0
            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) c.reltoastrelid) THEN NULL
            ELSE pg_catalog.pg_relation_size(CAST(c.reltoastrelid AS pg_catalog.regclass), 'main')
        END AS toast,
        k.stored AND c.relpages OPERATOR(pg_catalog.>) 0 AS is_analyzed
    -- The planner takes any tree for thousands, an array for ten: it shall look up each member, not read all of
    -- pg_class (OFFSET), and not think that costly enough for JIT.
    FROM subject AS s
    CROSS JOIN LATERAL pg_catalog.unnest(
        ARRAY(SELECT t.oid FROM tree AS t WHERE t.root OPERATOR(pg_catalog.=) s.oid)
    ) AS u (oid)
    CROSS JOIN LATERAL (
        SELECT x.oid, x.relkind, x.relpages, x.reltuples, x.reltoastrelid
        FROM pg_catalog.pg_class AS x
        WHERE x.oid OPERATOR(pg_catalog.=) u.oid
        OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'm', 't', 'i', 'S'] AS pg_catalog."char"[])) AS stored
    ) AS k
),
total AS MATERIALIZED (
    SELECT
        m.root,
        pg_catalog.bool_or(m.below) AS has_children,
        pg_catalog.count(*) FILTER (WHERE m.below AND NOT m.is_partitioned) AS leaves,
        CASE
            WHEN pg_catalog.bool_or(m.heap IS NULL OR m.toast IS NULL) THEN NULL
            ELSE pg_catalog.sum(m.heap OPERATOR(pg_catalog.+) m.toast)
        END AS size,
        pg_catalog.sum(m.heap) FILTER (WHERE m.is_analyzed) AS analyzed_size,
        pg_catalog.sum(m.relpages) FILTER (WHERE m.is_analyzed) AS analyzed_pages,
        pg_catalog.sum(CAST(m.reltuples AS pg_catalog.float8)) FILTER (WHERE m.is_analyzed) AS analyzed_rows
    FROM member AS m
    GROUP BY m.root
),
-- Which xids are this transaction's own?  See is_new in lookup.py.
me AS MATERIALIZED (
    SELECT
        CAST(CAST(pg_catalog.pg_current_xact_id_if_assigned() AS pg_catalog.text) AS pg_catalog.int8) AS top,
        CAST(CAST(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) AS pg_catalog.text) AS pg_catalog.int8) AS horizon
),
newest AS MATERIALIZED (
    SELECT pg_catalog.max(x.ahead) AS ahead
    FROM (
        SELECT (CAST(CAST(l.transactionid AS pg_catalog.text) AS pg_catalog.int8) OPERATOR(pg_catalog.-) me.top)
            OPERATOR(pg_catalog.&) 4294967295 AS ahead
        FROM pg_catalog.pg_locks AS l, me
        WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid'
    ) AS x
    WHERE x.ahead OPERATOR(pg_catalog.<) 2147483648
),
candidate AS MATERIALIZED (
    SELECT s.oid FROM subject AS s
    -- if inside
    UNION
    SELECT o.oid FROM own AS o
    -- end inside
),
birth AS MATERIALIZED (
    SELECT a.attrelid AS oid, a.xmin AS xid
    FROM candidate AS s
    JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid OPERATOR(pg_catalog.=) s.oid AND a.attnum OPERATOR(pg_catalog.=) CAST('-6' AS pg_catalog.int2)
    UNION ALL
    SELECT c.oid, d.xmin
    FROM candidate AS s
    JOIN pg_catalog.pg_class AS c
        ON c.oid OPERATOR(pg_catalog.=) s.oid AND c.reltype OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
    JOIN pg_catalog.pg_depend AS d
        ON d.classid OPERATOR(pg_catalog.=) CAST('1247' AS pg_catalog.oid)
        AND d.objid OPERATOR(pg_catalog.=) c.reltype
        AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND d.refobjid OPERATOR(pg_catalog.=) c.oid
        AND d.deptype OPERATOR(pg_catalog.=) 'i'
),
fresh AS MATERIALIZED (
    SELECT b.oid
    FROM (
        SELECT
            x.oid,
            (CAST(CAST(x.xid AS pg_catalog.text) AS pg_catalog.int8) OPERATOR(pg_catalog.-) me.top)
                OPERATOR(pg_catalog.&) 4294967295 AS ahead
        FROM birth AS x, me
        WHERE me.top IS NOT NULL
    ) AS b, me, newest
    WHERE EXISTS (
        SELECT 1 FROM held AS h
        WHERE h.relation OPERATOR(pg_catalog.=) b.oid AND h.mine AND h.granted
            AND h.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'
    )
    GROUP BY b.oid
    HAVING pg_catalog.bool_and(CASE
        WHEN b.ahead OPERATOR(pg_catalog.>=) 2147483648 THEN false
        WHEN (me.top OPERATOR(pg_catalog.+) b.ahead) OPERATOR(pg_catalog.<) me.horizon
            THEN COALESCE(pg_catalog.pg_xact_status(
                CAST(CAST(me.top OPERATOR(pg_catalog.+) b.ahead AS pg_catalog.text) AS pg_catalog.xid8)
            ) OPERATOR(pg_catalog.=) 'in progress', false)
        ELSE b.ahead OPERATOR(pg_catalog.<=) (
            GREATEST(COALESCE(newest.ahead, 0), me.horizon OPERATOR(pg_catalog.-) me.top) OPERATOR(pg_catalog.+) 4096
        )
    END)
),
asked AS MATERIALIZED (
    SELECT
        CAST(request.it OPERATOR(pg_catalog.->>) 'referencing' AS pg_catalog.bool) AS referencing,
        CAST(request.it OPERATOR(pg_catalog.->>) 'cascade' AS pg_catalog.bool) AS cascade,
        CAST(request.it OPERATOR(pg_catalog.->>) 'users' AS pg_catalog.bool) AS users,
        pg_catalog.jsonb_array_length(request.it OPERATOR(pg_catalog.->) 'types') OPERATOR(pg_catalog.>) 0 AS types
    FROM request
),
-- if referencing
-- Foreign keys that point to the root, or, where a CASCADE follows them, to what points to it.
referencing (root, oid, key) AS (
    SELECT s.oid, k.conrelid, k.oid
    FROM subject AS s
    JOIN pg_catalog.pg_constraint AS k
        ON k.confrelid OPERATOR(pg_catalog.=) s.oid AND k.contype OPERATOR(pg_catalog.=) 'f'
    WHERE (SELECT asked.referencing FROM asked)
    UNION
    SELECT r.root, k.conrelid, k.oid
    FROM referencing AS r
    JOIN pg_catalog.pg_constraint AS k
        ON k.confrelid OPERATOR(pg_catalog.=) r.oid AND k.contype OPERATOR(pg_catalog.=) 'f'
    WHERE (SELECT asked.cascade FROM asked)
),
-- end referencing
-- if cascade
-- Views over a relation, and those over them, by the column of the root that they need.
viewing (root, number, oid) AS (
    SELECT s.oid, d.refobjsubid, r.ev_class
    FROM subject AS s
    JOIN pg_catalog.pg_depend AS d
        ON d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND d.refobjid OPERATOR(pg_catalog.=) s.oid
        AND d.classid OPERATOR(pg_catalog.=) CAST('2618' AS pg_catalog.oid)
    JOIN pg_catalog.pg_rewrite AS r
        ON r.oid OPERATOR(pg_catalog.=) d.objid AND r.ev_class OPERATOR(pg_catalog.<>) s.oid
    WHERE (SELECT asked.cascade FROM asked)
    UNION
    SELECT v.root, v.number, r.ev_class
    FROM viewing AS v
    JOIN pg_catalog.pg_depend AS d
        ON d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND d.refobjid OPERATOR(pg_catalog.=) v.oid
        AND d.classid OPERATOR(pg_catalog.=) CAST('2618' AS pg_catalog.oid)
    JOIN pg_catalog.pg_rewrite AS r
        ON r.oid OPERATOR(pg_catalog.=) d.objid AND r.ev_class OPERATOR(pg_catalog.<>) v.oid
),
-- end cascade
-- if sources
sought AS MATERIALIZED (
    SELECT
        n.what,
        CAST(n.value OPERATOR(pg_catalog.->>) 'key' AS pg_catalog.int4) AS key,
        CAST(n.value OPERATOR(pg_catalog.->>) 'name' AS pg_catalog.name) AS name,
        p.oid AS schema,
        p.place
    FROM (
        SELECT 'type' AS what, t.value
        FROM request, pg_catalog.jsonb_array_elements(request.it OPERATOR(pg_catalog.->) 'types') AS t (value)
        UNION ALL
        SELECT 'function', f.value
        FROM request, pg_catalog.jsonb_array_elements(request.it OPERATOR(pg_catalog.->) 'functions') AS f (value)
    ) AS n
    CROSS JOIN LATERAL (
        SELECT q.oid, q.place FROM path AS q WHERE n.value OPERATOR(pg_catalog.->>) 'schema' IS NULL
        UNION ALL
        SELECT s.oid, 1
        FROM pg_catalog.pg_namespace AS s
        WHERE s.nspname OPERATOR(pg_catalog.=) CAST(n.value OPERATOR(pg_catalog.->>) 'schema' AS pg_catalog.name)
    ) AS p
),
typed AS MATERIALIZED (
    SELECT DISTINCT ON (s.key) s.key, t.oid
    FROM sought AS s
    JOIN pg_catalog.pg_type AS t
        ON t.typnamespace OPERATOR(pg_catalog.=) s.schema AND t.typname OPERATOR(pg_catalog.=) s.name
    WHERE s.what OPERATOR(pg_catalog.=) 'type'
    ORDER BY s.key, s.place
),
-- Those named and those of the columns; a domain is followed down to what it stores.
below (top, oid, typmod) AS (
    SELECT t.oid, t.oid, CAST('-1' AS pg_catalog.int4) FROM typed AS t
    UNION
    SELECT a.atttypid, a.atttypid, CAST('-1' AS pg_catalog.int4)
    FROM subject AS s
    JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid OPERATOR(pg_catalog.=) s.oid AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
    WHERE (SELECT asked.types FROM asked) AND NOT a.attisdropped
    UNION
    SELECT b.top, t.typbasetype, t.typtypmod
    FROM below AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
),
based AS MATERIALIZED (
    SELECT b.top, t.oid, b.typmod
    FROM below AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid
    WHERE t.typtype OPERATOR(pg_catalog.<>) 'd'
),
-- A domain and the domains over it: ALTER DOMAIN reads the tables of all.
uppers (top, oid) AS (
    SELECT t.oid, t.oid FROM typed AS t WHERE (SELECT asked.users FROM asked)
    UNION
    SELECT o.top, t.oid
    FROM uppers AS o
    JOIN pg_catalog.pg_type AS t ON t.typbasetype OPERATOR(pg_catalog.=) o.oid
),
-- end sources
title AS NOT MATERIALIZED (
    SELECT c.oid, s.nspname AS schema, c.relname AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
),
-- if taken
-- Names with a prefix; the bounds are there for the index, whose order is by bytes.
prefix AS MATERIALIZED (
    SELECT
        c.relnamespace,
        p.value OPERATOR(pg_catalog.->>) 'prefix' AS prefix,
        CAST(p.value OPERATOR(pg_catalog.->>) 'prefix' AS pg_catalog.name) AS first,
        CAST(p.value OPERATOR(pg_catalog.->>) 'last' AS pg_catalog.name) AS last
    FROM request
    CROSS JOIN pg_catalog.jsonb_array_elements(request.it OPERATOR(pg_catalog.->) 'taken') AS p (value)
    JOIN found AS f ON f.key OPERATOR(pg_catalog.=) CAST(p.value OPERATOR(pg_catalog.->>) 'key' AS pg_catalog.int4)
    JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) f.oid
),
taken AS MATERIALIZED (
    SELECT s.nspname AS schema, n.kind, n.name
    FROM prefix AS p
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) p.relnamespace
    CROSS JOIN LATERAL (
        SELECT 'relation' AS kind, x.relname AS name
        FROM pg_catalog.pg_class AS x
        WHERE x.relnamespace OPERATOR(pg_catalog.=) p.relnamespace
            AND x.relname OPERATOR(pg_catalog.>=) p.first
            AND x.relname OPERATOR(pg_catalog.<=)
                COALESCE(p.last, (SELECT y.relname FROM pg_catalog.pg_class AS y ORDER BY y.relname DESC LIMIT 1))
            AND pg_catalog.starts_with(CAST(x.relname AS pg_catalog.text), p.prefix)
        UNION ALL
        SELECT 'constraint', x.conname
        FROM pg_catalog.pg_constraint AS x
        WHERE x.connamespace OPERATOR(pg_catalog.=) p.relnamespace
            AND x.conname OPERATOR(pg_catalog.>=) p.first
            AND x.conname OPERATOR(pg_catalog.<=)
                COALESCE(p.last, (SELECT y.conname FROM pg_catalog.pg_constraint AS y ORDER BY y.conname DESC LIMIT 1))
            AND pg_catalog.starts_with(CAST(x.conname AS pg_catalog.text), p.prefix)
    ) AS n
    -- if parts
    UNION
    SELECT s.nspname, n.kind, n.name
    FROM (
        -- One prefix for many: a name of Postgres's choice has at least so much of its table's.
        SELECT DISTINCT c.relnamespace, pg_catalog.left(CAST(c.relname AS pg_catalog.text), 4) AS prefix
        FROM (
            SELECT p.oid FROM part AS p
            UNION
            SELECT f.oid FROM found AS f
        ) AS o
        JOIN pg_catalog.pg_class AS c
            ON c.oid OPERATOR(pg_catalog.=) o.oid
            AND c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'p'] AS pg_catalog."char"[]))
    ) AS q
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) q.relnamespace
    CROSS JOIN LATERAL (
        SELECT 'relation' AS kind, x.relname AS name
        FROM pg_catalog.pg_class AS x
        WHERE x.relnamespace OPERATOR(pg_catalog.=) q.relnamespace
            AND pg_catalog.starts_with(CAST(x.relname AS pg_catalog.text), q.prefix)
        UNION ALL
        SELECT 'constraint', x.conname
        FROM pg_catalog.pg_constraint AS x
        WHERE x.connamespace OPERATOR(pg_catalog.=) q.relnamespace
            AND pg_catalog.starts_with(CAST(x.conname AS pg_catalog.text), q.prefix)
    ) AS n
    -- end parts
),
-- end taken
grouped (oid) AS (
    SELECT r.oid FROM pg_catalog.pg_roles AS r WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER
    UNION
    SELECT m.roleid FROM grouped AS g
    JOIN pg_catalog.pg_auth_members AS m ON m.member OPERATOR(pg_catalog.=) g.oid
),
answer AS (
    SELECT pg_catalog.json_build_object(
        'server_version', CAST(pg_catalog.current_setting('server_version_num') AS pg_catalog.int4),
        'block_size', CAST(pg_catalog.current_setting('block_size') AS pg_catalog.int4),
        'database', pg_catalog.current_database(),
        'user', CURRENT_USER,
        'session_user', SESSION_USER,
        'application_name', pg_catalog.current_setting('application_name'),
        'in_recovery', pg_catalog.pg_is_in_recovery(),
        'allow', pg_catalog.current_setting('interlock.allow', true),
        'roles', (
            SELECT pg_catalog.json_agg(r.rolname)
            FROM grouped AS g
            JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) g.oid
        ),
        'settings', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'name', s.name, 'value', pg_catalog.current_setting(s.name), 'source', s.source
            ))
            FROM pg_catalog.pg_settings AS s
            WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY[
                'lock_timeout', 'statement_timeout', 'transaction_timeout', 'client_min_messages', 'TimeZone',
                'transaction_read_only'
            ])
        ),
        -- if inside
        'held', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                t.schema,
                t.name,
                o.mode,
                CASE
                    WHEN o.relkind OPERATOR(pg_catalog.=) 'p' THEN NULL
                    WHEN EXISTS (
                        SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) ANY (ARRAY[o.oid, o.reltoastrelid])
                    ) THEN NULL
                    ELSE COALESCE(pg_catalog.pg_relation_size(CAST(o.oid AS pg_catalog.regclass), 'main'), 0)
                        OPERATOR(pg_catalog.+)
                        CASE
                            WHEN o.reltoastrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN 0
                            ELSE COALESCE(pg_catalog.pg_relation_size(CAST(o.reltoastrelid AS pg_catalog.regclass), 'main'), 0)
                        END
                END,
                CASE WHEN o.relpages OPERATOR(pg_catalog.>) 0 THEN o.reltuples END
            ) ORDER BY t.schema, t.name, o.mode)
            FROM own AS o
            JOIN title AS t ON t.oid OPERATOR(pg_catalog.=) o.oid
            WHERE NOT EXISTS (SELECT 1 FROM fresh AS f WHERE f.oid OPERATOR(pg_catalog.=) o.oid)
                -- a partition counts as part of the table above it
                AND NOT EXISTS (
                    SELECT 1
                    FROM pg_catalog.pg_inherits AS h
                    JOIN own AS above
                        ON above.oid OPERATOR(pg_catalog.=) h.inhparent AND above.mode OPERATOR(pg_catalog.=) o.mode
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) o.oid
                )
        ),
        -- end inside
        -- if sources
        'typed', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(t.key, CAST(t.oid AS pg_catalog.int8))) FROM typed AS t),
        'types', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'oid', CAST(t.oid AS pg_catalog.int8),
                'base', pg_catalog.format_type(b.oid, b.typmod),
                'base_oid', CAST(b.oid AS pg_catalog.int8),
                'is_domain', t.typtype OPERATOR(pg_catalog.=) 'd',
                'constrained', EXISTS (
                    SELECT 1
                    FROM below AS l
                    JOIN pg_catalog.pg_type AS d ON d.oid OPERATOR(pg_catalog.=) l.oid
                    WHERE l.top OPERATOR(pg_catalog.=) t.oid
                        AND d.typtype OPERATOR(pg_catalog.=) 'd'
                        AND (d.typnotnull OR EXISTS (
                            SELECT 1 FROM pg_catalog.pg_constraint AS k
                            WHERE k.contypid OPERATOR(pg_catalog.=) d.oid AND k.contype OPERATOR(pg_catalog.=) 'c'
                        ))
                ),
                'demands', (
                    SELECT pg_catalog.json_agg(k.what ORDER BY k.what)
                    FROM below AS l
                    JOIN pg_catalog.pg_type AS d
                        ON d.oid OPERATOR(pg_catalog.=) l.oid AND d.typtype OPERATOR(pg_catalog.=) 'd'
                    CROSS JOIN LATERAL (
                        SELECT 'CHECK (VALUE IS NOT NULL)' AS what WHERE d.typnotnull
                        UNION ALL
                        SELECT pg_catalog.pg_get_constraintdef(c.oid)
                        FROM pg_catalog.pg_constraint AS c
                        WHERE c.contypid OPERATOR(pg_catalog.=) d.oid AND c.contype OPERATOR(pg_catalog.=) 'c'
                    ) AS k
                    WHERE l.top OPERATOR(pg_catalog.=) t.oid
                ),
                'has_default', t.typdefaultbin IS NOT NULL OR t.typdefault IS NOT NULL,
                'volatile_default', EXISTS (
                    SELECT 1
                    FROM pg_catalog.regexp_matches(
                        CAST(t.typdefaultbin AS pg_catalog.text), ':(?:funcid|opfuncid) ([0-9]+)', 'g') AS m (found)
                    JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) CAST(m.found[1] AS pg_catalog.oid)
                    WHERE f.provolatile OPERATOR(pg_catalog.=) 'v'
                ),
                'users', (
                    SELECT pg_catalog.json_agg(DISTINCT pg_catalog.jsonb_build_array(r.schema, r.name))
                    FROM uppers AS o
                    JOIN pg_catalog.pg_depend AS d
                        ON d.refclassid OPERATOR(pg_catalog.=) CAST('1247' AS pg_catalog.oid)
                        AND d.refobjid OPERATOR(pg_catalog.=) o.oid
                        AND d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                        AND d.objsubid OPERATOR(pg_catalog.>) 0
                    JOIN pg_catalog.pg_class AS u
                        ON u.oid OPERATOR(pg_catalog.=) d.objid
                        AND u.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'm'] AS pg_catalog."char"[]))
                    JOIN title AS r ON r.oid OPERATOR(pg_catalog.=) u.oid
                    WHERE o.top OPERATOR(pg_catalog.=) t.oid
                )
            ))
            FROM based AS b
            JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.top
            WHERE t.typtype OPERATOR(pg_catalog.=) 'd' OR EXISTS (
                SELECT 1 FROM typed AS y WHERE y.oid OPERATOR(pg_catalog.=) t.oid
            )
        ),
        'casts', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(k.castsource AS pg_catalog.int8), CAST(k.casttarget AS pg_catalog.int8)))
            FROM pg_catalog.pg_cast AS k
            WHERE k.castmethod OPERATOR(pg_catalog.=) 'b'
                AND (SELECT asked.types FROM asked)
                AND EXISTS (SELECT 1 FROM based AS b WHERE b.oid OPERATOR(pg_catalog.=) k.castsource)
                AND EXISTS (
                    SELECT 1 FROM based AS b JOIN typed AS y ON y.oid OPERATOR(pg_catalog.=) b.top
                    WHERE b.oid OPERATOR(pg_catalog.=) k.casttarget
                )
        ),
        -- Volatile, and called by no name: operators and casts that somebody has made.
        'volatile_operators', (
            SELECT pg_catalog.json_agg(DISTINCT o.oprname)
            FROM pg_catalog.pg_operator AS o
            JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) CAST(o.oprcode AS pg_catalog.oid)
            WHERE o.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
                AND f.provolatile OPERATOR(pg_catalog.=) 'v'
        ),
        'volatile_casts', (
            SELECT pg_catalog.json_agg(DISTINCT CASE
                WHEN y.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid) THEN y.typname ELSE ''
            END)
            FROM pg_catalog.pg_cast AS k
            JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) k.castfunc
            JOIN pg_catalog.pg_type AS y
                ON y.oid OPERATOR(pg_catalog.=) GREATEST(k.castsource, k.casttarget)
                OR (y.oid OPERATOR(pg_catalog.=) LEAST(k.castsource, k.casttarget)
                    AND y.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid))
            WHERE k.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
                AND f.provolatile OPERATOR(pg_catalog.=) 'v'
        ),
        'functions', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                s.key,
                f.provolatile OPERATOR(pg_catalog.=) 'v',
                f.pronargs OPERATOR(pg_catalog.-) f.pronargdefaults
                    OPERATOR(pg_catalog.-) CASE WHEN f.provariadic OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN 0 ELSE 1 END,
                CASE WHEN f.provariadic OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN f.pronargs END,
                f.prorettype OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
                    AND f.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid),
                f.provolatile OPERATOR(pg_catalog.=) 'i',
                f.pronamespace OPERATOR(pg_catalog.=) CAST('11' AS pg_catalog.oid)
            ))
            FROM sought AS s
            JOIN pg_catalog.pg_proc AS f
                ON f.pronamespace OPERATOR(pg_catalog.=) s.schema AND f.proname OPERATOR(pg_catalog.=) s.name
            WHERE s.what OPERATOR(pg_catalog.=) 'function'
        ),
        -- end sources
        'doubtful', (SELECT pg_catalog.json_agg(d.key) FROM doubtful AS d),
        'found', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(f.key, CAST(f.oid AS pg_catalog.int8))) FROM found AS f),
        -- if taken
        'taken', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(t.schema, t.kind, t.name)) FROM taken AS t),
        -- end taken
        'relations', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'oid', CAST(c.oid AS pg_catalog.int8),
                'schema', n.nspname,
                'name', c.relname,
                'kind', c.relkind,
                'persistence', c.relpersistence,
                'is_new', EXISTS (SELECT 1 FROM fresh AS f WHERE f.oid OPERATOR(pg_catalog.=) c.oid),
                'is_partition', c.relispartition,
                'populated', c.relispopulated,
                'has_children', t.has_children,
                'leaves', t.leaves,
                'size', t.size,
                'analyzed_size', t.analyzed_size,
                'analyzed_pages', t.analyzed_pages,
                'analyzed_rows', t.analyzed_rows,
                'being_built', EXISTS (
                    SELECT 1 FROM held AS h
                    WHERE h.relation OPERATOR(pg_catalog.=) c.oid AND NOT h.mine AND h.granted AND NOT h.by_autovacuum
                        AND h.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'
                ),
                'parents', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(p.schema, p.name) ORDER BY h.inhseqno)
                    FROM pg_catalog.pg_inherits AS h
                    JOIN title AS p ON p.oid OPERATOR(pg_catalog.=) h.inhparent
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid
                ),
                'detaching', CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(p.schema, p.name) ORDER BY p.schema, p.name)
                    FROM pg_catalog.pg_inherits AS h
                    JOIN title AS p ON p.oid OPERATOR(pg_catalog.=) h.inhrelid
                    WHERE h.inhparent OPERATOR(pg_catalog.=) c.oid
                        AND pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->) 'inhdetachpending'
                            OPERATOR(pg_catalog.=) CAST('true' AS pg_catalog.jsonb)
                ) END,
                'default_partition', (
                    SELECT pg_catalog.json_build_array(d.schema, d.name)
                    FROM pg_catalog.pg_partitioned_table AS p
                    JOIN title AS d ON d.oid OPERATOR(pg_catalog.=) p.partdefid
                    WHERE p.partrelid OPERATOR(pg_catalog.=) c.oid
                ),
                -- if parts
                'bound', CASE
                    WHEN c.relispartition AND NOT EXISTS (
                        SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) c.oid
                    ) THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid)
                END,
                -- All that Postgres checks of a partition's rows; it locks the tables above to tell.
                'partition_constraint', CASE
                    WHEN c.relispartition
                        AND EXISTS (SELECT 1 FROM found AS f WHERE f.oid OPERATOR(pg_catalog.=) c.oid)
                        AND NOT EXISTS (
                            SELECT 1
                            FROM closed AS x, pg_catalog.pg_partition_ancestors(CAST(c.oid AS pg_catalog.regclass)) AS a (oid)
                            WHERE x.relation OPERATOR(pg_catalog.=) CAST(a.oid AS pg_catalog.oid)
                        ) THEN pg_catalog.pg_get_partition_constraintdef(c.oid)
                END,
                'required', (
                    SELECT pg_catalog.json_agg(a.attname)
                    FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
                        AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                        AND a.attnotnull
                ),
                -- The CHECK that a DETACH CONCURRENTLY has added is of the transaction that marked the partition.
                'pending_checks', (
                    SELECT pg_catalog.json_agg(k.conname)
                    FROM pg_catalog.pg_inherits AS h
                    JOIN pg_catalog.pg_constraint AS k
                        ON k.conrelid OPERATOR(pg_catalog.=) h.inhrelid
                        AND k.contype OPERATOR(pg_catalog.=) 'c'
                        AND CAST(k.xmin AS pg_catalog.text) OPERATOR(pg_catalog.=) CAST(h.xmin AS pg_catalog.text)
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid
                        AND pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->>) 'inhdetachpending' OPERATOR(pg_catalog.=) 'true'
                ),
                'detach_pending', (
                    SELECT pg_catalog.bool_or(CAST(COALESCE(
                        pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->>) 'inhdetachpending', 'false') AS pg_catalog.bool))
                    FROM pg_catalog.pg_inherits AS h
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid
                ),
                -- end parts
                -- if referencing
                'referenced_by', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                        r.schema,
                        r.name,
                        CASE WHEN k.confrelid OPERATOR(pg_catalog.=) c.oid THEN (
                            SELECT pg_catalog.json_agg(a.attname)
                            FROM pg_catalog.pg_attribute AS a
                            WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.confkey)
                        ) END,
                        k.conname,
                        CASE
                            WHEN EXISTS (
                                SELECT 1 FROM closed AS x
                                WHERE x.relation OPERATOR(pg_catalog.=) ANY (ARRAY[k.conrelid, k.confrelid])
                            ) THEN NULL
                            ELSE pg_catalog.pg_get_constraintdef(k.oid)
                        END,
                        k.convalidated,
                        (
                            SELECT e.description FROM pg_catalog.pg_description AS e
                            WHERE e.objoid OPERATOR(pg_catalog.=) k.oid
                                AND e.classoid OPERATOR(pg_catalog.=) CAST('2606' AS pg_catalog.oid)
                        ),
                        EXISTS (
                            SELECT 1 FROM pg_catalog.pg_constraint AS u
                            WHERE u.oid OPERATOR(pg_catalog.=) k.conparentid AND u.conrelid OPERATOR(pg_catalog.<>) k.conrelid
                        ),
                        EXISTS (
                            SELECT 1 FROM pg_catalog.pg_class AS x
                            WHERE x.oid OPERATOR(pg_catalog.=) k.conrelid
                                AND (x.relkind OPERATOR(pg_catalog.=) 'p' OR x.relispartition)
                        )
                    ) ORDER BY r.schema, r.name, k.oid)
                    FROM referencing AS f
                    JOIN title AS r ON r.oid OPERATOR(pg_catalog.=) f.oid
                    JOIN pg_catalog.pg_constraint AS k ON k.oid OPERATOR(pg_catalog.=) f.key
                    WHERE f.root OPERATOR(pg_catalog.=) c.oid
                ),
                -- end referencing
                -- if detail
                'partition_key', CASE
                    WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN pg_catalog.pg_get_partkeydef(c.oid)
                END,
                'checked_below', CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN (
                    SELECT pg_catalog.json_agg(b.name)
                    FROM (
                        SELECT k.conname AS name
                        FROM tree AS w
                        JOIN pg_catalog.pg_class AS x
                            ON x.oid OPERATOR(pg_catalog.=) w.oid AND x.relkind OPERATOR(pg_catalog.<>) 'p'
                        JOIN pg_catalog.pg_constraint AS k
                            ON k.conrelid OPERATOR(pg_catalog.=) w.oid
                            AND k.contype OPERATOR(pg_catalog.=) 'c'
                            AND k.convalidated
                        WHERE w.root OPERATOR(pg_catalog.=) c.oid
                        GROUP BY k.conname
                        HAVING pg_catalog.count(*) OPERATOR(pg_catalog.=) t.leaves
                    ) AS b
                ) END,
                'sequences', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, q.schema, q.name) ORDER BY a.attnum)
                    FROM pg_catalog.pg_depend AS d
                    JOIN pg_catalog.pg_class AS x
                        ON x.oid OPERATOR(pg_catalog.=) d.objid AND x.relkind OPERATOR(pg_catalog.=) 'S'
                    JOIN title AS q ON q.oid OPERATOR(pg_catalog.=) x.oid
                    JOIN pg_catalog.pg_attribute AS a
                        ON a.attrelid OPERATOR(pg_catalog.=) c.oid
                        AND CAST(a.attnum AS pg_catalog.int4) OPERATOR(pg_catalog.=) d.refobjsubid
                    WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                        AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                        AND d.refobjid OPERATOR(pg_catalog.=) c.oid
                        AND d.deptype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['a', 'i'] AS pg_catalog."char"[]))
                ),
                'tablespace', (
                    SELECT y.spcname
                    FROM pg_catalog.pg_database AS b
                    JOIN pg_catalog.pg_tablespace AS y ON y.oid OPERATOR(pg_catalog.=) CASE
                        WHEN c.reltablespace OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN b.dattablespace
                        ELSE c.reltablespace
                    END
                    WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                ),
                'spaced', c.reltablespace OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid),
                'access_method', (
                    SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid OPERATOR(pg_catalog.=) c.relam
                ),
                -- end detail
                -- if swaps
                'published', (
                    SELECT pg_catalog.json_agg(DISTINCT b.pubname)
                    FROM pg_catalog.pg_publication_tables AS b
                    WHERE b.schemaname OPERATOR(pg_catalog.=) n.nspname AND b.tablename OPERATOR(pg_catalog.=) c.relname
                ),
                -- Columns of other tables that hold rows of it, and types that do.
                'row_held_by', (
                    SELECT pg_catalog.json_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid))
                    FROM pg_catalog.pg_type AS y
                    JOIN pg_catalog.pg_depend AS d
                        ON d.refclassid OPERATOR(pg_catalog.=) CAST('1247' AS pg_catalog.oid)
                        AND d.refobjid OPERATOR(pg_catalog.=) ANY (ARRAY[y.oid, y.typarray])
                    WHERE y.oid OPERATOR(pg_catalog.=) c.reltype
                        AND (
                            d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND d.objsubid OPERATOR(pg_catalog.>) 0
                                AND EXISTS (
                                    SELECT 1 FROM pg_catalog.pg_class AS x
                                    WHERE x.oid OPERATOR(pg_catalog.=) d.objid
                                        AND x.relkind OPERATOR(pg_catalog.<>) 'v'
                                )
                            OR d.classid OPERATOR(pg_catalog.=) CAST('1247' AS pg_catalog.oid)
                                AND d.objid OPERATOR(pg_catalog.<>) y.typarray
                        )
                ),
                -- end swaps
                -- if writes
                'owner', pg_catalog.pg_get_userbyid(c.relowner),
                'triggers', (
                    SELECT pg_catalog.json_agg(g.tgname) FROM pg_catalog.pg_trigger AS g
                    WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid AND NOT g.tgisinternal
                ),
                'per_statement', (
                    SELECT pg_catalog.json_agg(x.name ORDER BY x.name)
                    FROM (
                        SELECT g.tgname AS name
                        FROM pg_catalog.pg_trigger AS g
                        WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid
                            AND NOT g.tgisinternal
                            AND CAST(g.tgtype AS pg_catalog.int4) OPERATOR(pg_catalog.&) 24 OPERATOR(pg_catalog.<>) 0
                            AND (
                                CAST(g.tgtype AS pg_catalog.int4) OPERATOR(pg_catalog.&) 1 OPERATOR(pg_catalog.=) 0
                                OR g.tgoldtable IS NOT NULL
                                OR g.tgnewtable IS NOT NULL
                            )
                        UNION ALL
                        SELECT r.rulename
                        FROM pg_catalog.pg_rewrite AS r
                        WHERE r.ev_class OPERATOR(pg_catalog.=) c.oid
                            AND r.ev_type OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['2', '4'] AS pg_catalog."char"[]))
                    ) AS x
                ),
                'on_update_of', (
                    SELECT pg_catalog.json_agg(g.tgname ORDER BY g.tgname)
                    FROM pg_catalog.pg_trigger AS g
                    WHERE g.tgrelid OPERATOR(pg_catalog.=) c.oid
                        AND NOT g.tgisinternal
                        AND g.tgenabled OPERATOR(pg_catalog.<>) 'D'
                        AND CAST(g.tgtype AS pg_catalog.int4) OPERATOR(pg_catalog.&) 16 OPERATOR(pg_catalog.<>) 0
                        AND CAST(g.tgattr AS pg_catalog.text) OPERATOR(pg_catalog.<>) ''
                ),
                -- What an UPDATE of no particular column would set off.
                'on_update', (
                    SELECT pg_catalog.json_agg(DISTINCT x.name)
                    FROM tree AS w
                    CROSS JOIN LATERAL (
                        SELECT CAST(g.tgname AS pg_catalog.text) AS name
                        FROM pg_catalog.pg_trigger AS g
                        WHERE g.tgrelid OPERATOR(pg_catalog.=) w.oid
                            AND NOT g.tgisinternal
                            AND g.tgenabled OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['O', 'A'] AS pg_catalog."char"[]))
                            AND CAST(g.tgtype AS pg_catalog.int4) OPERATOR(pg_catalog.&) 16 OPERATOR(pg_catalog.<>) 0
                            AND CAST(g.tgattr AS pg_catalog.text) OPERATOR(pg_catalog.=) ''
                        UNION ALL
                        SELECT CAST(u.rulename AS pg_catalog.text)
                        FROM pg_catalog.pg_rewrite AS u
                        WHERE u.ev_class OPERATOR(pg_catalog.=) w.oid
                            AND u.ev_type OPERATOR(pg_catalog.=) '2'
                            AND u.ev_enabled OPERATOR(pg_catalog.<>) 'D'
                    ) AS x
                    WHERE w.root OPERATOR(pg_catalog.=) c.oid
                ),
                -- end writes
                -- if heirs
                -- Columns that only what inherits from it checks or has indexes on.
                'heirs', (
                    SELECT pg_catalog.json_build_object(
                        'checked', (
                            SELECT pg_catalog.json_agg(DISTINCT a.attname)
                            FROM pg_catalog.unnest(w.oids) AS o (oid)
                            JOIN pg_catalog.pg_constraint AS k
                                ON k.conrelid OPERATOR(pg_catalog.=) o.oid
                                AND k.contype OPERATOR(pg_catalog.=) 'c'
                                AND k.convalidated
                                AND k.conislocal
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) o.oid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)
                            WHERE COALESCE(pg_catalog.to_jsonb(k) OPERATOR(pg_catalog.->>) 'conenforced', 'true')
                                OPERATOR(pg_catalog.=) 'true'
                        ),
                        'indexed', (
                            SELECT pg_catalog.json_agg(DISTINCT a.attname)
                            FROM pg_catalog.unnest(w.oids) AS o (oid)
                            JOIN pg_catalog.pg_index AS i ON i.indrelid OPERATOR(pg_catalog.=) o.oid
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) o.oid
                                AND a.attnum OPERATOR(pg_catalog.=) ANY (CAST(i.indkey AS pg_catalog.int2[]))
                        ),
                        'derived', (
                            SELECT pg_catalog.json_agg(DISTINCT a.attname)
                            FROM pg_catalog.unnest(w.oids) AS o (oid)
                            JOIN pg_catalog.pg_index AS i
                                ON i.indrelid OPERATOR(pg_catalog.=) o.oid
                                AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR NOT i.indisvalid OR EXISTS (
                                    SELECT 1 FROM pg_catalog.pg_class AS x
                                    WHERE x.oid OPERATOR(pg_catalog.=) i.indexrelid -- hash, gin: see reshaped
                                        AND x.relam OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['405', '2742'] AS pg_catalog.oid[]))
                                ))
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) o.oid
                                AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                                AND (
                                    a.attnum OPERATOR(pg_catalog.=) ANY (CAST(i.indkey AS pg_catalog.int2[]))
                                    OR EXISTS (
                                        SELECT 1 FROM pg_catalog.pg_depend AS d
                                        WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                            AND d.objid OPERATOR(pg_catalog.=) i.indexrelid
                                            AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                            AND d.refobjid OPERATOR(pg_catalog.=) i.indrelid
                                            AND d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                                    )
                                )
                        )
                    )
                    FROM (
                        SELECT ARRAY(
                            SELECT u.oid FROM tree AS u
                            WHERE u.root OPERATOR(pg_catalog.=) c.oid AND u.oid OPERATOR(pg_catalog.<>) c.oid
                        ) AS oids
                    ) AS w
                ),
                -- end heirs
                -- if cascade
                'views', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, r.schema, r.name) ORDER BY r.schema, r.name)
                    FROM viewing AS v
                    JOIN title AS r ON r.oid OPERATOR(pg_catalog.=) v.oid
                    LEFT JOIN pg_catalog.pg_attribute AS a
                        ON a.attrelid OPERATOR(pg_catalog.=) c.oid
                        AND a.attnum OPERATOR(pg_catalog.=) v.number
                        AND a.attnum OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.int2)
                    WHERE v.root OPERATOR(pg_catalog.=) c.oid
                ),
                -- end cascade
                'columns', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                        'name', a.attname,
                        'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                        'not_null', a.attnotnull,
                        'not_null_valid', NOT EXISTS (
                            SELECT 1 FROM pg_catalog.pg_constraint AS k
                            WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid
                                AND k.contype OPERATOR(pg_catalog.=) 'n'
                                AND k.conkey OPERATOR(pg_catalog.=) ARRAY[a.attnum]
                                AND NOT k.convalidated
                        ),
                        'generated', a.attgenerated OPERATOR(pg_catalog.<>) '',
                        'type_oid', CAST(a.atttypid AS pg_catalog.int8),
                        'collation', CASE WHEN a.attcollation OPERATOR(pg_catalog.=) y.typcollation THEN '' ELSE (
                            SELECT l.collname FROM pg_catalog.pg_collation AS l
                            WHERE l.oid OPERATOR(pg_catalog.=) a.attcollation
                        ) END,
                        'has_default', a.atthasdef,
                        'identity', a.attidentity,
                        -- if writes
                        -- A change of type, even to the same one, sets both to what the type has by default.
                        'adjusted', a.attstorage OPERATOR(pg_catalog.<>) y.typstorage OR COALESCE(
                            pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.->>) 'attcompression', ''
                        ) OPERATOR(pg_catalog.<>) '',
                        -- end writes
                        -- if swaps
                        'default', CASE WHEN a.attgenerated OPERATOR(pg_catalog.=) '' THEN (
                            SELECT pg_catalog.pg_get_expr(f.adbin, f.adrelid) FROM pg_catalog.pg_attrdef AS f
                            WHERE f.adrelid OPERATOR(pg_catalog.=) c.oid AND f.adnum OPERATOR(pg_catalog.=) a.attnum
                                AND NOT EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) c.oid)
                        ) END,
                        'comment', (
                            SELECT e.description FROM pg_catalog.pg_description AS e
                            WHERE e.objoid OPERATOR(pg_catalog.=) c.oid
                                AND e.classoid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND e.objsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                        ),
                        'plain', a.attacl IS NULL AND a.attoptions IS NULL AND a.attislocal
                            AND a.attinhcount OPERATOR(pg_catalog.=) 0
                            AND COALESCE(CAST(a.attstattarget AS pg_catalog.int4), '-1') OPERATOR(pg_catalog.=) '-1'
                            AND NOT EXISTS (
                                SELECT 1 FROM pg_catalog.pg_seclabel AS e
                                WHERE e.objoid OPERATOR(pg_catalog.=) c.oid
                                    AND e.classoid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                    AND e.objsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                            ),
                        -- What hangs on the column besides constraints, indexes, its own default and sequences.
                        'dependents', (
                            SELECT pg_catalog.json_agg(DISTINCT COALESCE(
                                (
                                    SELECT pg_catalog.pg_describe_object(CAST('1259' AS pg_catalog.oid), w.ev_class, 0)
                                    FROM pg_catalog.pg_rewrite AS w
                                    WHERE d.classid OPERATOR(pg_catalog.=) CAST('2618' AS pg_catalog.oid)
                                        AND w.oid OPERATOR(pg_catalog.=) d.objid
                                        AND w.ev_class OPERATOR(pg_catalog.<>) c.oid
                                ),
                                pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
                            ))
                            FROM pg_catalog.pg_depend AS d
                            WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND d.refobjid OPERATOR(pg_catalog.=) c.oid
                                AND (
                                    d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                                    -- an index over whole rows
                                    OR d.refobjsubid OPERATOR(pg_catalog.=) 0 AND EXISTS (
                                        SELECT 1 FROM pg_catalog.pg_index AS x
                                        WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                            AND x.indexrelid OPERATOR(pg_catalog.=) d.objid
                                            AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
                                    )
                                )
                                AND d.classid OPERATOR(pg_catalog.<>) CAST('2606' AS pg_catalog.oid)
                                AND NOT EXISTS (
                                    SELECT 1 FROM pg_catalog.pg_class AS x
                                    WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                        AND d.refobjsubid OPERATOR(pg_catalog.>) 0
                                        AND x.oid OPERATOR(pg_catalog.=) d.objid
                                        AND x.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['i', 'S'] AS pg_catalog."char"[]))
                                )
                                AND NOT EXISTS (
                                    SELECT 1 FROM pg_catalog.pg_attrdef AS x
                                    WHERE d.classid OPERATOR(pg_catalog.=) CAST('2604' AS pg_catalog.oid)
                                        AND x.oid OPERATOR(pg_catalog.=) d.objid
                                        AND x.adrelid OPERATOR(pg_catalog.=) c.oid
                                        AND x.adnum OPERATOR(pg_catalog.=) a.attnum
                                )
                        ),
                        'state', (/* column_state */),
                        -- How an identity column counts, in the words of CREATE SEQUENCE; it may have no rights and no comment of its own.
                        'numbering', CASE WHEN a.attidentity OPERATOR(pg_catalog.<>) '' THEN (
                            SELECT pg_catalog.concat_ws(' ',
                                'START WITH', q.seqstart, 'INCREMENT BY', q.seqincrement,
                                CASE WHEN q.seqmin OPERATOR(pg_catalog.<>) l.least
                                    THEN pg_catalog.concat('MINVALUE ', q.seqmin) ELSE 'NO MINVALUE' END,
                                CASE WHEN q.seqmax OPERATOR(pg_catalog.<>) l.most
                                    THEN pg_catalog.concat('MAXVALUE ', q.seqmax) ELSE 'NO MAXVALUE' END,
                                'CACHE', q.seqcache,
                                CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END
                            )
                            FROM pg_catalog.pg_depend AS d
                            JOIN pg_catalog.pg_sequence AS q ON q.seqrelid OPERATOR(pg_catalog.=) d.objid
                            JOIN pg_catalog.pg_class AS x ON x.oid OPERATOR(pg_catalog.=) q.seqrelid
                                AND x.relacl IS NULL
                                AND NOT EXISTS (
                                    SELECT 1 FROM pg_catalog.pg_description AS e
                                    WHERE e.objoid OPERATOR(pg_catalog.=) x.oid
                                        AND e.classoid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                )
                            CROSS JOIN LATERAL (
                                SELECT CASE
                                    WHEN q.seqtypid OPERATOR(pg_catalog.=) CAST('21' AS pg_catalog.oid) THEN 32767
                                    WHEN q.seqtypid OPERATOR(pg_catalog.=) CAST('23' AS pg_catalog.oid) THEN 2147483647
                                    ELSE 9223372036854775807
                                END AS top
                            ) AS t
                            CROSS JOIN LATERAL (
                                SELECT
                                    CASE WHEN q.seqincrement OPERATOR(pg_catalog.>) 0 THEN 1 ELSE (OPERATOR(pg_catalog.-) t.top)
                                        OPERATOR(pg_catalog.-) 1 END AS least,
                                    CASE WHEN q.seqincrement OPERATOR(pg_catalog.>) 0 THEN t.top ELSE '-1' END AS most
                            ) AS l
                            WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND d.refobjid OPERATOR(pg_catalog.=) c.oid
                                AND d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                                AND d.deptype OPERATOR(pg_catalog.=) 'i'
                        ) END,
                        -- end swaps
                        'stored', a.attgenerated OPERATOR(pg_catalog.=) 's'
                    ) ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute AS a
                    JOIN pg_catalog.pg_type AS y ON y.oid OPERATOR(pg_catalog.=) a.atttypid
                    WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
                        AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                        AND NOT a.attisdropped
                        AND EXISTS (SELECT 1 FROM named AS m WHERE m.oid OPERATOR(pg_catalog.=) c.oid)
                ),
                'constraints', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                        'name', k.conname,
                        'kind', k.contype,
                        -- Up to 17, VALIDATE leaves out the rows that a key has for the partitions of the other table.
                        'validated', k.convalidated OR EXISTS (
                            SELECT 1 FROM pg_catalog.pg_constraint AS u
                            WHERE u.oid OPERATOR(pg_catalog.=) k.conparentid AND u.conrelid OPERATOR(pg_catalog.=) k.conrelid
                        ),
                        'inherited', k.conparentid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid),
                        'enforced', pg_catalog.to_jsonb(k) OPERATOR(pg_catalog.->) 'conenforced',
                        'columns', (
                            SELECT pg_catalog.json_agg(a.attname ORDER BY q.place)
                            FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS q (number, place)
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) k.conrelid
                                AND a.attnum OPERATOR(pg_catalog.=) q.number
                        ),
                        'definition', CASE
                            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) c.oid) THEN NULL
                            ELSE pg_catalog.pg_get_constraintdef(k.oid)
                        END,
                        'index', (
                            SELECT i.relname FROM pg_catalog.pg_class AS i
                            WHERE i.oid OPERATOR(pg_catalog.=) k.conindid
                                AND k.contype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['p', 'u', 'x'] AS pg_catalog."char"[]))
                        ),
                        -- if writes
                        'comment', (
                            SELECT e.description FROM pg_catalog.pg_description AS e
                            WHERE e.objoid OPERATOR(pg_catalog.=) k.oid
                                AND e.classoid OPERATOR(pg_catalog.=) CAST('2606' AS pg_catalog.oid)
                                AND e.objsubid OPERATOR(pg_catalog.=) 0
                        ),
                        -- end writes
                        -- if parts
                        'whole_references', EXISTS (
                            SELECT 1 FROM pg_catalog.pg_class AS r
                            WHERE r.oid OPERATOR(pg_catalog.=) k.confrelid AND r.relkind OPERATOR(pg_catalog.=) 'p'
                        ),
                        'beside', EXISTS (
                            SELECT 1 FROM pg_catalog.pg_constraint AS u
                            WHERE u.oid OPERATOR(pg_catalog.=) k.conparentid AND u.conrelid OPERATOR(pg_catalog.=) k.conrelid
                        ),
                        -- end parts
                        'references', (
                            SELECT pg_catalog.json_build_array(r.schema, r.name)
                            FROM title AS r WHERE r.oid OPERATOR(pg_catalog.=) k.confrelid
                        )
                    ) ORDER BY k.conname)
                    FROM pg_catalog.pg_constraint AS k
                    WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid
                ),
                'indexes', (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                        'oid', CAST(i.indexrelid AS pg_catalog.int8),
                        'schema', ix.schema,
                        'name', ix.name,
                        'table_oid', CAST(i.indrelid AS pg_catalog.int8),
                        'table_schema', tb.schema,
                        'table', tb.name,
                        'valid', i.indisvalid,
                        'unique', i.indisunique,
                        'partitioned', ic.relkind OPERATOR(pg_catalog.=) 'I',
                        'partition', ic.relispartition,
                        'constraint', (
                            SELECT k.conname FROM pg_catalog.pg_constraint AS k
                            WHERE k.conindid OPERATOR(pg_catalog.=) i.indexrelid
                                AND k.conrelid OPERATOR(pg_catalog.=) i.indrelid
                                AND k.contype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['p', 'u', 'x'] AS pg_catalog."char"[]))
                            LIMIT 1
                        ),
                        -- if sources
                        'mentions', (
                            SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)
                            FROM pg_catalog.pg_attribute AS a
                            WHERE a.attrelid OPERATOR(pg_catalog.=) i.indrelid
                                AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                                AND (
                                    a.attnum OPERATOR(pg_catalog.=) ANY (CAST(i.indkey AS pg_catalog.int2[]))
                                    OR EXISTS (
                                        SELECT 1 FROM pg_catalog.pg_depend AS d
                                        WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                            AND d.objid OPERATOR(pg_catalog.=) i.indexrelid
                                            AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                            AND d.refobjid OPERATOR(pg_catalog.=) i.indrelid
                                            AND d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
                                    )
                                )
                        ),
                        -- CheckIndexCompatible: of a polymorphic class, and it stores another type than its column has.
                        'reshaped', EXISTS (
                            SELECT 1
                            FROM pg_catalog.unnest(CAST(i.indclass AS pg_catalog.oid[])) WITH ORDINALITY AS q (oid, place)
                            JOIN pg_catalog.pg_opclass AS o ON o.oid OPERATOR(pg_catalog.=) q.oid
                            JOIN pg_catalog.pg_type AS y
                                ON y.oid OPERATOR(pg_catalog.=) o.opcintype
                                AND y.typtype OPERATOR(pg_catalog.=) 'p'
                                AND y.oid OPERATOR(pg_catalog.<>) CAST('2249' AS pg_catalog.oid)
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) i.indexrelid
                                AND CAST(a.attnum AS pg_catalog.int8) OPERATOR(pg_catalog.=) q.place
                            JOIN pg_catalog.pg_attribute AS b
                                ON b.attrelid OPERATOR(pg_catalog.=) i.indrelid
                                AND b.attnum OPERATOR(pg_catalog.=) (CAST(i.indkey AS pg_catalog.int2[]))[CAST(a.attnum AS pg_catalog.int4) OPERATOR(pg_catalog.-) 1]
                            WHERE a.atttypid OPERATOR(pg_catalog.<>) b.atttypid
                        ),
                        -- end sources
                        -- if parts
                        'above', (
                            SELECT pg_catalog.json_build_array(u.schema, u.name)
                            FROM pg_catalog.pg_inherits AS h
                            JOIN title AS u ON u.oid OPERATOR(pg_catalog.=) h.inhparent
                            WHERE h.inhrelid OPERATOR(pg_catalog.=) i.indexrelid
                        ),
                        'definition', CASE
                            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) i.indrelid) THEN NULL
                            ELSE pg_catalog.pg_get_indexdef(i.indexrelid)
                        END,
                        'tablespace', (
                            SELECT y.spcname FROM pg_catalog.pg_tablespace AS y
                            WHERE y.oid OPERATOR(pg_catalog.=) ic.reltablespace
                        ),
                        'attributes', (
                            SELECT pg_catalog.json_agg(a.attname ORDER BY a.attnum)
                            FROM pg_catalog.pg_attribute AS a
                            WHERE a.attrelid OPERATOR(pg_catalog.=) i.indexrelid
                        ),
                        -- What CompareIndexInfo (catalog/index.c) compares.
                        'shape', CASE
                            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) i.indrelid) THEN NULL
                            ELSE CAST(pg_catalog.json_build_array(
                                i.indisunique,
                                pg_catalog.to_jsonb(i) OPERATOR(pg_catalog.->) 'indnullsnotdistinct',
                                i.indisexclusion,
                                CAST(ic.relam AS pg_catalog.int8),
                                i.indnkeyatts,
                                (
                                    SELECT pg_catalog.json_agg(pg_catalog.pg_get_indexdef(
                                        i.indexrelid, CAST(q.place AS pg_catalog.int4), false) ORDER BY q.place)
                                    FROM pg_catalog.unnest(CAST(i.indkey AS pg_catalog.int2[])) WITH ORDINALITY AS q (number, place)
                                ),
                                (
                                    SELECT pg_catalog.json_agg(CAST(q.oid AS pg_catalog.int8) ORDER BY q.place)
                                    FROM pg_catalog.unnest(CAST(i.indcollation AS pg_catalog.oid[]))
                                        WITH ORDINALITY AS q (oid, place)
                                ),
                                (
                                    SELECT pg_catalog.json_agg(CAST(o.opcfamily AS pg_catalog.int8) ORDER BY q.place)
                                    FROM pg_catalog.unnest(CAST(i.indclass AS pg_catalog.oid[])) WITH ORDINALITY AS q (oid, place)
                                    JOIN pg_catalog.pg_opclass AS o ON o.oid OPERATOR(pg_catalog.=) q.oid
                                ),
                                pg_catalog.pg_get_expr(i.indpred, i.indrelid)
                            ) AS pg_catalog.text)
                        END,
                        -- end parts
                        'immediate', i.indimmediate,
                        -- if writes
                        'definition', CASE
                            WHEN EXISTS (SELECT 1 FROM closed AS x WHERE x.relation OPERATOR(pg_catalog.=) i.indrelid) THEN NULL
                            ELSE pg_catalog.pg_get_indexdef(i.indexrelid)
                        END,
                        -- Whether its definition is all that there is to know about it.
                        'plain', NOT i.indisclustered AND NOT i.indisreplident
                            AND ic.reltablespace OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid)
                            AND NOT EXISTS (
                            SELECT 1 FROM pg_catalog.pg_description AS e
                            WHERE e.objoid OPERATOR(pg_catalog.=) i.indexrelid
                                AND e.classoid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                AND e.objsubid OPERATOR(pg_catalog.=) 0
                        )
                            AND NOT EXISTS (
                                SELECT 1 FROM pg_catalog.pg_attribute AS a
                                WHERE a.attrelid OPERATOR(pg_catalog.=) i.indexrelid
                                    AND COALESCE(CAST(a.attstattarget AS pg_catalog.int4), '-1') OPERATOR(pg_catalog.<>) '-1'
                            )
                            AND NOT EXISTS (
                                SELECT 1 FROM pg_catalog.pg_depend AS d
                                WHERE d.objid OPERATOR(pg_catalog.=) i.indexrelid
                                    AND d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                                    AND d.deptype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['e', 'x'] AS pg_catalog."char"[]))
                            ),
                        -- end writes
                        'derived', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
                        'columns', (
                            SELECT pg_catalog.json_agg(a.attname ORDER BY q.place)
                            FROM pg_catalog.unnest(CAST(i.indkey AS pg_catalog.int2[])) WITH ORDINALITY AS q (number, place)
                            JOIN pg_catalog.pg_attribute AS a
                                ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) q.number
                            WHERE q.place OPERATOR(pg_catalog.<=) i.indnkeyatts
                                AND q.number OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                        )
                    ) ORDER BY ix.name)
                    FROM pg_catalog.pg_index AS i
                    JOIN pg_catalog.pg_class AS ic ON ic.oid OPERATOR(pg_catalog.=) i.indexrelid
                    JOIN title AS ix ON ix.oid OPERATOR(pg_catalog.=) i.indexrelid
                    JOIN title AS tb ON tb.oid OPERATOR(pg_catalog.=) i.indrelid
                    WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid OR i.indexrelid OPERATOR(pg_catalog.=) c.oid
                )
            ))
            FROM subject AS s
            JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) s.oid
            JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
            LEFT JOIN total AS t ON t.root OPERATOR(pg_catalog.=) c.oid
        )
    ) AS it
)
-- ASCII whatever the names and the encodings are: no conversion to client_encoding can fail.
SELECT pg_catalog.concat(
    pg_catalog.getdatabaseencoding(), ' ',
    pg_catalog.encode(
        pg_catalog.convert_to(CAST(answer.it AS pg_catalog.text), pg_catalog.getdatabaseencoding()), 'base64')
) AS interlock
FROM answer
