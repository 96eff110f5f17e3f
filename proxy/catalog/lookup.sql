/* interlock */
WITH RECURSIVE
-- if request
request AS MATERIALIZED (
    SELECT CAST(pg_catalog.convert_from(
        pg_catalog.decode(CAST($1 AS pg_catalog.text), 'base64'),
        CASE WHEN pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END
    ) AS pg_catalog.jsonb) AS it
),
-- end request
-- What each name means, in their order, the server says itself, by the newest catalog; our snapshot is old in REPEATABLE READ.
found AS MATERIALIZED (
    SELECT ARRAY(
        /* names */
        -- if carried
        SELECT CAST(CASE
            WHEN w.name OPERATOR(pg_catalog.=) '' THEN NULL
            -- if qualified
            WHEN w.database OPERATOR(pg_catalog.<>) pg_catalog.current_database() THEN NULL
            WHEN w.schema IS NOT NULL OR w.how OPERATOR(pg_catalog.<>) 'visible' THEN (
                SELECT CASE
                    WHEN s.schema OPERATOR(pg_catalog.=) 'pg_temp'
                        OR pg_catalog.has_schema_privilege(CAST(pg_catalog.to_regnamespace(s.schema) AS pg_catalog.oid), 'USAGE')
                        THEN pg_catalog.to_regclass(pg_catalog.concat(
                            s.schema, '.', pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))))
                END
                FROM (
                    SELECT pg_catalog.quote_ident(CAST(COALESCE(w.schema, pg_catalog.current_schema()) AS pg_catalog.text)) AS schema
                ) AS s
            )
            -- end qualified
            ELSE pg_catalog.to_regclass(pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text)))
        END AS pg_catalog.oid)
        FROM request
        CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(request.it OPERATOR(pg_catalog.->) 'names') AS w (
            database pg_catalog.name, schema pg_catalog.name, name pg_catalog.name, how pg_catalog.text
        )
        -- end carried
    ) AS oids
),
-- if beside
-- An index lives in the schema of its table.
neighbour AS MATERIALIZED (
    SELECT w.key, CAST(CASE
        WHEN pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') THEN pg_catalog.to_regclass(pg_catalog.concat(
            CAST(CAST(c.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text), '.',
            pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))
        ))
    END AS pg_catalog.oid) AS oid
    FROM request
    CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(request.it OPERATOR(pg_catalog.->) 'beside') AS w (
        key pg_catalog.int4, name pg_catalog.name, beside pg_catalog.int4
    )
    CROSS JOIN found AS f
    CROSS JOIN LATERAL (
        SELECT x.relnamespace FROM pg_catalog.pg_class AS x
        WHERE x.oid OPERATOR(pg_catalog.=) f.oids[w.beside OPERATOR(pg_catalog.+) 1]
        OFFSET 0
    ) AS c
),
-- end beside
-- if parts
-- What lies below the partitioned tables that are named, and below the default partitions of those.
part (oid) AS (
    SELECT h.inhrelid
    FROM found AS f
    JOIN pg_catalog.pg_class AS c
        ON c.oid OPERATOR(pg_catalog.=) ANY (f.oids) AND c.relkind OPERATOR(pg_catalog.=) 'p'
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) c.oid
    UNION
    SELECT h.inhrelid
    FROM part AS p
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) p.oid
),
-- end parts
-- The relations that are named, and the tables of the indexes that are; and all that it is about.
-- The planner takes any set of rows for hundreds, an array for ten: it shall look up each, not read whole catalogs.
these AS MATERIALIZED (
    SELECT
        n.found,
        n.named,
        n.named
        -- if parts
        OPERATOR(pg_catalog.||) ARRAY(SELECT p.oid FROM part AS p WHERE p.oid OPERATOR(pg_catalog.<>) ALL (n.named))
        -- end parts
        AS oids
    FROM (
        SELECT
            f.oids AS found,
            pg_catalog.array_remove(f.oids, NULL)
            -- if beside
            OPERATOR(pg_catalog.||) ARRAY(SELECT n.oid FROM neighbour AS n WHERE n.oid IS NOT NULL)
            -- end beside
            -- if indexes
            OPERATOR(pg_catalog.||) ARRAY(
                SELECT i.indrelid
                FROM pg_catalog.pg_index AS i
                WHERE i.indexrelid OPERATOR(pg_catalog.=) ANY (
                    f.oids
                    -- if beside
                    OPERATOR(pg_catalog.||) ARRAY(SELECT n.oid FROM neighbour AS n)
                    -- end beside
                )
            )
            -- end indexes
            -- if parts
            OPERATOR(pg_catalog.||) ARRAY(
                SELECT p.partdefid
                FROM pg_catalog.pg_partitioned_table AS p
                WHERE p.partrelid OPERATOR(pg_catalog.=) ANY (f.oids)
                    AND p.partdefid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
            )
            -- end parts
            AS named
        FROM found AS f
        OFFSET 0
    ) AS n
),
-- if trees
tree (root, oid) AS (
    SELECT DISTINCT s.oid, s.oid FROM these, pg_catalog.unnest(these.oids) AS s (oid)
    UNION ALL
    SELECT t.root, h.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) t.oid
),
-- end trees
held AS MATERIALIZED (
    SELECT
        l.relation,
        l.mode,
        l.granted,
        l.pid,
        -- no pid: a prepared transaction
        (l.pid IS NOT NULL AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()) AS mine
    FROM pg_catalog.pg_lock_status() AS l
    WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
        AND (
            l.mode OPERATOR(pg_catalog.=) ANY (
                ARRAY['AccessExclusiveLock', 'ShareUpdateExclusiveLock']
            )
            -- if inside
            OR (
                l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()
                AND l.mode OPERATOR(pg_catalog.=) ANY (
                    ARRAY['RowExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock']
                )
            )
            -- end inside
        )
        -- This database's oid is in the path of each of its files: base/16384/1259.
        AND l.database OPERATOR(pg_catalog.=) (
            SELECT CAST((pg_catalog.regexp_match(pg_catalog.pg_relation_filepath('1259'), '([0-9]+)/[0-9]+$'))[1] AS pg_catalog.oid)
        )
),
-- if inside
-- Tables that this transaction has locked or written, on behalf of earlier statements; its locks last until COMMIT.
own AS MATERIALIZED (
    SELECT h.mode, c.oid, c.relname, c.relnamespace, c.relpages, c.reltuples, c.reltoastrelid, c.relkind
    FROM held AS h
    CROSS JOIN LATERAL (
        SELECT x.oid, x.relname, x.relnamespace, x.relpages, x.reltuples, x.reltoastrelid, x.relkind
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
-- if inside
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
        FROM pg_catalog.pg_lock_status() AS l, me
        WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid'
    ) AS x
    WHERE x.ahead OPERATOR(pg_catalog.<) 2147483648
),
birth AS MATERIALIZED (
    SELECT
        h.relation,
        (CAST(CAST(x.xid AS pg_catalog.text) AS pg_catalog.int8) OPERATOR(pg_catalog.-) me.top)
            OPERATOR(pg_catalog.&) 4294967295 AS ahead
    FROM me
    CROSS JOIN held AS h
    CROSS JOIN LATERAL (
        SELECT a.xmin AS xid
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid OPERATOR(pg_catalog.=) h.relation AND a.attnum OPERATOR(pg_catalog.=) CAST('-6' AS pg_catalog.int2)
        UNION ALL
        SELECT d.xmin
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_depend AS d
            ON d.classid OPERATOR(pg_catalog.=) CAST('1247' AS pg_catalog.oid)
            AND d.objid OPERATOR(pg_catalog.=) c.reltype
            AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
            AND d.refobjid OPERATOR(pg_catalog.=) c.oid
            AND d.deptype OPERATOR(pg_catalog.=) 'i'
        WHERE c.oid OPERATOR(pg_catalog.=) h.relation AND c.reltype OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
        OFFSET 0
    ) AS x
    WHERE me.top IS NOT NULL AND h.mine AND h.granted AND h.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock'
),
-- end inside
-- if following
asked AS MATERIALIZED (
    SELECT
        CAST(request.it OPERATOR(pg_catalog.->>) 'referencing' AS pg_catalog.bool) AS referencing,
        CAST(request.it OPERATOR(pg_catalog.->>) 'cascade' AS pg_catalog.bool) AS cascade
    FROM request
),
-- end following
-- if referencing
-- Foreign keys that point to the root, or, where a CASCADE follows them, to what points to it.
referencing (root, oid, key) AS (
    SELECT s.oid, k.conrelid, k.oid
    FROM these
    CROSS JOIN LATERAL pg_catalog.unnest(these.oids) AS s (oid)
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
    FROM these
    CROSS JOIN LATERAL pg_catalog.unnest(these.oids) AS s (oid)
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
-- if types
typed AS MATERIALIZED (
    SELECT t.key, t.oid
    FROM (
        /* types */
        -- if carried
        SELECT w.key, CAST(CASE
            WHEN w.schema IS NULL THEN pg_catalog.to_regtype(pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text)))
            -- if of_schema
            WHEN w.schema OPERATOR(pg_catalog.=) 'pg_temp' OR pg_catalog.has_schema_privilege(
                CAST(pg_catalog.to_regnamespace(pg_catalog.quote_ident(CAST(w.schema AS pg_catalog.text))) AS pg_catalog.oid),
                'USAGE'
            ) THEN pg_catalog.to_regtype(pg_catalog.concat(
                pg_catalog.quote_ident(CAST(w.schema AS pg_catalog.text)), '.',
                pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))
            ))
            -- end of_schema
        END AS pg_catalog.oid) AS oid
        FROM request, pg_catalog.jsonb_to_recordset(request.it OPERATOR(pg_catalog.->) 'types') AS w (
            key pg_catalog.int4, schema pg_catalog.name, name pg_catalog.name
        )
        OFFSET 0
        -- end carried
    ) AS t (key, oid)
    WHERE t.oid IS NOT NULL
),
-- if domains
-- Those named and those of the columns; a domain is followed down to what it stores.
below (oid) AS (
    SELECT t.oid FROM typed AS t
    -- if retypes
    UNION
    SELECT a.atttypid
    FROM these, pg_catalog.pg_attribute AS a
    WHERE a.attrelid OPERATOR(pg_catalog.=) ANY (these.oids)
        AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
        AND NOT a.attisdropped
    -- end retypes
    UNION
    SELECT t.typbasetype
    FROM below AS b
    JOIN pg_catalog.pg_type AS t ON t.oid OPERATOR(pg_catalog.=) b.oid
    WHERE t.typtype OPERATOR(pg_catalog.=) 'd'
),
-- end domains
-- if users
-- A domain and the domains over it: ALTER DOMAIN reads the tables of all.
uppers (top, oid) AS (
    SELECT t.oid, t.oid FROM typed AS t
    UNION
    SELECT o.top, t.oid
    FROM uppers AS o
    JOIN pg_catalog.pg_type AS t ON t.typbasetype OPERATOR(pg_catalog.=) o.oid
),
-- end users
-- end types
-- if taken
-- Names that start as the table's does; the bounds are there for the index, whose order is by bytes.
prefix AS MATERIALIZED (
    SELECT
        c.relnamespace,
        request.it OPERATOR(pg_catalog.->>) 'prefix' AS prefix,
        CAST(request.it OPERATOR(pg_catalog.->>) 'prefix' AS pg_catalog.name) AS first,
        CAST(request.it OPERATOR(pg_catalog.->>) 'last' AS pg_catalog.name) AS last
    FROM request, pg_catalog.pg_class AS c
    WHERE c.oid OPERATOR(pg_catalog.=) (
        SELECT f.oids[CAST(request.it OPERATOR(pg_catalog.->>) 'taken' AS pg_catalog.int4) OPERATOR(pg_catalog.+) 1]
        FROM found AS f
    )
),
-- end taken
-- if titles
title AS NOT MATERIALIZED (
    SELECT c.oid, s.nspname AS schema, c.relname AS name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace
),
-- end titles
-- pg_relation_size() would wait behind another session's ACCESS EXCLUSIVE, granted or queued.
closed AS MATERIALIZED (
    SELECT
        COALESCE(
            pg_catalog.array_agg(h.relation) FILTER (WHERE h.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND NOT h.mine), '{}'
        ) AS oids
        -- if building
        , pg_catalog.json_agg(CAST(h.relation AS pg_catalog.int8)) FILTER (
            WHERE h.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' AND h.granted AND NOT h.mine
                AND h.relation OPERATOR(pg_catalog.=) ANY (these.oids)
                -- no user: autovacuum, which makes way
                AND (h.pid IS NULL OR NOT EXISTS (
                    SELECT 1 FROM pg_catalog.pg_stat_get_activity(h.pid) AS a WHERE a.usesysid IS NULL
                ))
        ) AS building
        -- end building
    FROM these, held AS h
)
-- ASCII whatever the names and the encodings are: no conversion to client_encoding can fail.
SELECT pg_catalog.concat(
    pg_catalog.getdatabaseencoding(), ' ',
    pg_catalog.encode(
        pg_catalog.convert_to(CAST(pg_catalog.json_build_object(
        'server_version', CAST(pg_catalog.current_setting('server_version_num') AS pg_catalog.int4),
        'block_size', CAST(pg_catalog.current_setting('block_size') AS pg_catalog.int4),
        'database', pg_catalog.current_database(),
        'user', CURRENT_USER,
        'session_user', SESSION_USER,
        'application_name', pg_catalog.current_setting('application_name'),
        'in_recovery', pg_catalog.pg_is_in_recovery(),
        'allow', pg_catalog.current_setting('interlock.allow', true),
        -- if roles
        -- Who is a member of what, of those that the session's user is one of: the rest of the table only for a superuser.
        'memberships', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                pg_catalog.pg_get_userbyid(m.member), pg_catalog.pg_get_userbyid(m.roleid)))
            FROM pg_catalog.pg_auth_members AS m
            WHERE pg_catalog.pg_has_role(SESSION_USER, m.member, 'MEMBER')
        ),
        -- end roles
        'temporary', CAST(CAST(pg_catalog.pg_my_temp_schema() AS pg_catalog.regnamespace) AS pg_catalog.text),
        'path', pg_catalog.current_schemas(true),
        'settings', pg_catalog.json_build_object(
            'lock_timeout', pg_catalog.current_setting('lock_timeout'),
            'statement_timeout', pg_catalog.current_setting('statement_timeout'),
            'transaction_timeout', pg_catalog.current_setting('transaction_timeout', true),
            'client_min_messages', pg_catalog.current_setting('client_min_messages'),
            'TimeZone', pg_catalog.current_setting('TimeZone'),
            'transaction_read_only', pg_catalog.current_setting('transaction_read_only')
        ),
        -- Who has set a timeout: only where there is one, for it takes as long as all the rest.
        'sources', CASE
            WHEN pg_catalog.concat(
                pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('statement_timeout')
            ) OPERATOR(pg_catalog.<>) '00' THEN (
                SELECT pg_catalog.json_agg(pg_catalog.json_build_array(s.name, s.source))
                FROM pg_catalog.pg_show_all_settings() AS s
                WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout'])
            )
        END,
        -- if inside
        'held', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(o.oid AS pg_catalog.int8),
                CAST(CAST(o.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text),
                o.relname,
                o.mode,
                CASE
                    WHEN o.relkind OPERATOR(pg_catalog.=) 'p' THEN NULL
                    WHEN o.oid OPERATOR(pg_catalog.=) ANY (x.oids) OR o.reltoastrelid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL
                    ELSE COALESCE(pg_catalog.pg_relation_size(CAST(o.oid AS pg_catalog.regclass), 'main'), 0)
                        OPERATOR(pg_catalog.+)
                        CASE
                            WHEN o.reltoastrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN 0
                            ELSE COALESCE(pg_catalog.pg_relation_size(CAST(o.reltoastrelid AS pg_catalog.regclass), 'main'), 0)
                        END
                END,
                CASE WHEN o.relpages OPERATOR(pg_catalog.>) 0 THEN o.reltuples END,
                ARRAY(
                    SELECT CAST(h.inhparent AS pg_catalog.int8) FROM pg_catalog.pg_inherits AS h
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) o.oid
                )
            ))
            FROM own AS o
        ),
        -- end inside
        -- if types
        'typed', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(t.key, CAST(t.oid AS pg_catalog.int8))) FROM typed AS t),
        -- if described
        'types', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'oid', CAST(t.oid AS pg_catalog.int8),
                'is_domain', t.typtype OPERATOR(pg_catalog.=) 'd',
                'over', CAST(t.typbasetype AS pg_catalog.int8),
                'spelled', CASE
                    WHEN t.typtype OPERATOR(pg_catalog.=) 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
                    ELSE pg_catalog.format_type(t.oid, CAST('-1' AS pg_catalog.int4))
                END,
                'not_null', t.typnotnull,
                -- if users
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
                ),
                -- end users
                -- if domains
                'volatile_default', EXISTS (
                    SELECT 1
                    FROM pg_catalog.regexp_matches(
                        CAST(t.typdefaultbin AS pg_catalog.text), ':(?:funcid|opfuncid) ([0-9]+)', 'g') AS m (found)
                    JOIN pg_catalog.pg_proc AS f ON f.oid OPERATOR(pg_catalog.=) CAST(m.found[1] AS pg_catalog.oid)
                    WHERE f.provolatile OPERATOR(pg_catalog.=) 'v'
                ),
                -- end domains
                'has_default', t.typdefaultbin IS NOT NULL OR t.typdefault IS NOT NULL
            ))
            FROM pg_catalog.pg_type AS t
            WHERE t.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
                SELECT y.oid FROM typed AS y
                -- if domains
                UNION ALL
                SELECT b.oid FROM below AS b
                -- end domains
            ))
        ),
        -- if domains
        'demands', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(k.contypid AS pg_catalog.int8), pg_catalog.pg_get_constraintdef(k.oid)))
            FROM pg_catalog.pg_constraint AS k
            WHERE k.contypid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.oid FROM below AS b))
                AND k.contype OPERATOR(pg_catalog.=) 'c'
        ),
        -- end domains
        -- end described
        -- end types
        -- if casts
        'casts', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(k.castsource AS pg_catalog.int8), CAST(k.casttarget AS pg_catalog.int8)))
            FROM pg_catalog.pg_cast AS k
            WHERE k.castmethod OPERATOR(pg_catalog.=) 'b'
                AND k.castsource OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.oid FROM below AS b))
                AND k.casttarget OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.oid FROM below AS b))
        ),
        -- end casts
        -- if computed
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
        -- end computed
        -- if functions
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
            FROM request
            CROSS JOIN pg_catalog.jsonb_to_recordset(request.it OPERATOR(pg_catalog.->) 'functions') AS s (
                key pg_catalog.int4, schema pg_catalog.name, name pg_catalog.name
            )
            CROSS JOIN LATERAL (
                SELECT ARRAY(
                    SELECT CAST(pg_catalog.to_regnamespace(pg_catalog.quote_ident(CAST(w.name AS pg_catalog.text))) AS pg_catalog.oid)
                    FROM pg_catalog.unnest(CASE
                        WHEN s.schema IS NULL THEN pg_catalog.current_schemas(true) ELSE ARRAY[s.schema]
                    END) AS w (name)
                ) AS oids
            ) AS p
            CROSS JOIN LATERAL (
                SELECT x.oid, x.provolatile, x.pronargs, x.pronargdefaults, x.provariadic, x.prorettype, x.pronamespace
                FROM pg_catalog.pg_proc AS x
                WHERE x.proname OPERATOR(pg_catalog.=) s.name AND x.pronamespace OPERATOR(pg_catalog.=) ANY (p.oids)
                OFFSET 0
            ) AS f
        ),
        -- end functions
        'found', CAST(these.found AS pg_catalog.int8[]),
        -- if beside
        'beside', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(n.key, CAST(n.oid AS pg_catalog.int8))) FROM neighbour AS n),
        -- end beside
        -- if taken
        'taken', (
            SELECT pg_catalog.json_build_object(
                -- if relation_names
                'relations', ARRAY(
                    SELECT x.relname
                    FROM pg_catalog.pg_class AS x
                    WHERE x.relnamespace OPERATOR(pg_catalog.=) p.relnamespace
                        AND x.relname OPERATOR(pg_catalog.>=) p.first
                        -- if bounded
                        AND x.relname OPERATOR(pg_catalog.<=) p.last
                        -- end bounded
                        AND pg_catalog.starts_with(CAST(x.relname AS pg_catalog.text), p.prefix)
                ),
                -- end relation_names
                -- if constraint_names
                'constraints', ARRAY(
                    SELECT x.conname
                    FROM pg_catalog.pg_constraint AS x
                    WHERE x.connamespace OPERATOR(pg_catalog.=) p.relnamespace
                        AND x.conname OPERATOR(pg_catalog.>=) p.first
                        -- if bounded
                        AND x.conname OPERATOR(pg_catalog.<=) p.last
                        -- end bounded
                        AND pg_catalog.starts_with(CAST(x.conname AS pg_catalog.text), p.prefix)
                ),
                -- end constraint_names
                'schema', CAST(CAST(p.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text)
            )
            FROM prefix AS p
        ),
        -- end taken
        -- if parts
        -- One prefix for many: a name of Postgres's choice has at least so much of its table's.
        'taken_by_parts', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(CAST(q.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text),
                ARRAY(
                    SELECT x.relname
                    FROM pg_catalog.pg_class AS x
                    WHERE x.relnamespace OPERATOR(pg_catalog.=) q.relnamespace
                        AND pg_catalog.starts_with(CAST(x.relname AS pg_catalog.text), q.prefix)
                ),
                ARRAY(
                    SELECT x.conname
                    FROM pg_catalog.pg_constraint AS x
                    WHERE x.connamespace OPERATOR(pg_catalog.=) q.relnamespace
                        AND pg_catalog.starts_with(CAST(x.conname AS pg_catalog.text), q.prefix)
                )
            ))
            FROM (
                SELECT DISTINCT c.relnamespace, pg_catalog.left(CAST(c.relname AS pg_catalog.text), 4) AS prefix
                FROM (
                    SELECT p.oid FROM part AS p
                    UNION
                    SELECT pg_catalog.unnest(these.found)
                ) AS o
                JOIN pg_catalog.pg_class AS c
                    ON c.oid OPERATOR(pg_catalog.=) o.oid
                    AND c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'p'] AS pg_catalog."char"[]))
                -- where there are partitions, or are to be
                WHERE EXISTS (
                    SELECT 1 FROM pg_catalog.pg_partitioned_table AS w
                    WHERE w.partrelid OPERATOR(pg_catalog.=) ANY (these.found)
                )
            ) AS q
        ),
        -- end parts
        -- if inside
        'births', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(CAST(b.relation AS pg_catalog.int8), CASE
                WHEN b.ahead OPERATOR(pg_catalog.>=) 2147483648 THEN false
                WHEN (me.top OPERATOR(pg_catalog.+) b.ahead) OPERATOR(pg_catalog.<) me.horizon
                    THEN COALESCE(pg_catalog.pg_xact_status(
                        CAST(CAST(me.top OPERATOR(pg_catalog.+) b.ahead AS pg_catalog.text) AS pg_catalog.xid8)
                    ) OPERATOR(pg_catalog.=) 'in progress', false)
                ELSE b.ahead OPERATOR(pg_catalog.<=) (
                    GREATEST(COALESCE(newest.ahead, 0), me.horizon OPERATOR(pg_catalog.-) me.top) OPERATOR(pg_catalog.+) 4096
                )
            END))
            FROM birth AS b, me, newest
        ),
        -- end inside
        -- if building
        'building', x.building,
        -- end building
        -- if trees
        'sizes', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(t.root AS pg_catalog.int8), t.has_children, t.leaves, t.size, t.analyzed_size, t.analyzed_pages, t.analyzed_rows))
            FROM (
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
                FROM (
                        SELECT
                            u.root,
                            c.oid OPERATOR(pg_catalog.<>) u.root AS below,
                            c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['p', 'I'] AS pg_catalog."char"[])) AS is_partitioned,
                            c.relpages,
                            c.reltuples,
                            z.heap,
                            z.toast,
                            c.stored AND c.relpages OPERATOR(pg_catalog.>) 0 AS is_analyzed
                        FROM tree AS u
                        -- Each is looked up (OFFSET).
                        CROSS JOIN LATERAL (
                            SELECT
                                y.oid, y.relkind, y.relpages, y.reltuples, y.reltoastrelid,
                                y.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['r', 'm', 't', 'i', 'S'] AS pg_catalog."char"[])) AS stored
                            FROM pg_catalog.pg_class AS y
                            WHERE y.oid OPERATOR(pg_catalog.=) u.oid
                            OFFSET 0
                        ) AS c
                        CROSS JOIN LATERAL (/* size */) AS z
                ) AS m
                GROUP BY m.root
            ) AS t
        ),
        -- end trees
        -- What they inherit from, and what is being taken away from them.
        'kin', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(h.inhrelid AS pg_catalog.int8), CAST(h.inhparent AS pg_catalog.int8), inhdetachpending,
                (pg_catalog.pg_identify_object('1259', h.inhparent, 0)).identity,
                (pg_catalog.pg_identify_object('1259', h.inhrelid, 0)).identity,
                h.inhseqno
            ))
            FROM pg_catalog.pg_inherits AS h
            WHERE h.inhrelid OPERATOR(pg_catalog.=) ANY (these.oids)
                -- if trees
                OR (h.inhparent OPERATOR(pg_catalog.=) ANY (these.oids) AND inhdetachpending)
                -- end trees
        ),
        'constraints', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'table', CAST(k.conrelid AS pg_catalog.int8),
                'oid', CAST(k.oid AS pg_catalog.int8),
                'above', CAST(k.conparentid AS pg_catalog.int8),
                'local', k.conislocal,
                'name', k.conname,
                'kind', k.contype,
                'validated', k.convalidated,
                'enforced', conenforced,
                'numbers', k.conkey,
                'definition', CASE
                    WHEN k.conrelid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL ELSE pg_catalog.pg_get_constraintdef(k.oid)
                END,
                -- if writes
                'comment', (
                    SELECT e.description FROM pg_catalog.pg_description AS e
                    WHERE e.objoid OPERATOR(pg_catalog.=) k.oid
                        AND e.classoid OPERATOR(pg_catalog.=) CAST('2606' AS pg_catalog.oid)
                        AND e.objsubid OPERATOR(pg_catalog.=) 0
                ),
                -- end writes
                -- if parts
                'whole', EXISTS (
                    SELECT 1 FROM pg_catalog.pg_partitioned_table AS p WHERE p.partrelid OPERATOR(pg_catalog.=) k.confrelid
                ),
                -- end parts
                'references', CASE
                    WHEN k.contype OPERATOR(pg_catalog.=) 'f' THEN (pg_catalog.pg_identify_object('1259', k.confrelid, 0)).identity
                END,
                'index', CAST(k.conindid AS pg_catalog.int8)
            ))
            FROM pg_catalog.pg_constraint AS k
            WHERE k.conrelid OPERATOR(pg_catalog.=) ANY (these.oids)
        ),
        -- if parts
        'default_partitions', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(p.partrelid AS pg_catalog.int8), CAST(p.partdefid AS pg_catalog.int8)))
            FROM pg_catalog.pg_partitioned_table AS p
            WHERE p.partrelid OPERATOR(pg_catalog.=) ANY (these.oids)
        ),
        'attributes', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(a.attrelid AS pg_catalog.int8), a.attnum, a.attname, a.attnotnull))
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid OPERATOR(pg_catalog.=) ANY (these.oids)
                AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                AND NOT a.attisdropped
        ),
        'above', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(h.inhrelid AS pg_catalog.int8), CAST(u.oid AS pg_catalog.int8), u.relname,
                CAST(CAST(u.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text)))
            FROM pg_catalog.pg_inherits AS h
            CROSS JOIN LATERAL (
                SELECT y.oid, y.relname, y.relnamespace FROM pg_catalog.pg_class AS y
                WHERE y.oid OPERATOR(pg_catalog.=) h.inhparent
                OFFSET 0
            ) AS u
            WHERE h.inhrelid OPERATOR(pg_catalog.=) ANY (ARRAY(
                SELECT i.indexrelid FROM pg_catalog.pg_index AS i
                WHERE i.indrelid OPERATOR(pg_catalog.=) ANY (these.oids)
            ))
        ),
        -- end parts
        -- if owned
        'sequences', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                CAST(d.refobjid AS pg_catalog.int8), d.refobjsubid,
                CAST(CAST(q.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text), q.relname
            ) ORDER BY d.refobjid, d.refobjsubid)
            FROM pg_catalog.pg_depend AS d
            CROSS JOIN LATERAL (
                SELECT y.relnamespace, y.relname FROM pg_catalog.pg_class AS y
                WHERE y.oid OPERATOR(pg_catalog.=) d.objid AND y.relkind OPERATOR(pg_catalog.=) 'S'
                OFFSET 0
            ) AS q
            WHERE d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                AND d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
                AND d.refobjid OPERATOR(pg_catalog.=) ANY (these.oids)
                AND d.refobjsubid OPERATOR(pg_catalog.>) 0
                AND d.deptype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['a', 'i'] AS pg_catalog."char"[]))
        ),
        -- end owned
        'columns', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'table', CAST(a.attrelid AS pg_catalog.int8),
                'number', a.attnum,
                'name', a.attname,
                'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                'type_oid', CAST(a.atttypid AS pg_catalog.int8),
                'not_null', a.attnotnull,
                'generated', a.attgenerated OPERATOR(pg_catalog.<>) '',
                'stored', a.attgenerated OPERATOR(pg_catalog.=) 's',
                'identity', a.attidentity,
                -- if writes
                -- A change of type, even to the same one, sets both to what the type has by default.
                'adjusted', a.attstorage OPERATOR(pg_catalog.<>) (
                    SELECT y.typstorage FROM pg_catalog.pg_type AS y WHERE y.oid OPERATOR(pg_catalog.=) a.atttypid
                ) OR COALESCE(
                    pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.->>) 'attcompression', ''
                ) OPERATOR(pg_catalog.<>) '',
                -- end writes
                -- if swaps
                'default', CASE WHEN a.attgenerated OPERATOR(pg_catalog.=) '' THEN (
                    SELECT pg_catalog.pg_get_expr(f.adbin, f.adrelid) FROM pg_catalog.pg_attrdef AS f
                    WHERE f.adrelid OPERATOR(pg_catalog.=) c.oid AND f.adnum OPERATOR(pg_catalog.=) a.attnum
                        AND NOT EXISTS (SELECT 1 FROM closed AS x WHERE c.oid OPERATOR(pg_catalog.=) ANY (x.oids))
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
                -- if collations
                'collation', CASE
                    WHEN a.attcollation OPERATOR(pg_catalog.<>) (
                        SELECT y.typcollation FROM pg_catalog.pg_type AS y WHERE y.oid OPERATOR(pg_catalog.=) a.atttypid
                    ) THEN CAST(CAST(a.attcollation AS pg_catalog.regcollation) AS pg_catalog.text)
                END,
                -- end collations
                'has_default', a.atthasdef
            ))
            FROM pg_catalog.pg_attribute AS a
            -- if swaps
            CROSS JOIN LATERAL (SELECT a.attrelid AS oid) AS c
            -- end swaps
            WHERE a.attrelid OPERATOR(pg_catalog.=) ANY (these.named)
                AND a.attnum OPERATOR(pg_catalog.>) CAST('0' AS pg_catalog.int2)
                AND NOT a.attisdropped
        ),
        'indexes', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'oid', CAST(i.indexrelid AS pg_catalog.int8),
                'name', CAST(CAST(i.indexrelid AS pg_catalog.regclass) AS pg_catalog.text),
                'table', CAST(i.indrelid AS pg_catalog.int8),
                'valid', i.indisvalid,
                'unique', i.indisunique,
                'immediate', i.indimmediate,
                -- if trees
                'partition', ic.relispartition,
                -- end trees
                -- if mentions
                'makeup', (/* makeup */),
                -- end mentions
                -- if parts
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
                    WHEN i.indrelid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL
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
                -- if defined
                'definition', CASE
                    WHEN i.indrelid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL ELSE pg_catalog.pg_get_indexdef(i.indexrelid)
                END,
                -- end defined
                -- if writes
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
                'numbers', CAST(i.indkey AS pg_catalog.int2[]),
                'keys', i.indnkeyatts
            ))
            FROM pg_catalog.pg_index AS i
            -- if trees
            CROSS JOIN LATERAL (
                SELECT y.relispartition, y.reltablespace, y.relam
                FROM pg_catalog.pg_class AS y
                WHERE y.oid OPERATOR(pg_catalog.=) i.indexrelid
                OFFSET 0
            ) AS ic
            -- end trees
            WHERE i.indrelid OPERATOR(pg_catalog.=) ANY (these.oids)
        ),
        'relations', (
            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                'oid', CAST(c.oid AS pg_catalog.int8),
                'schema', CAST(CAST(c.relnamespace AS pg_catalog.regnamespace) AS pg_catalog.text),
                'name', c.relname,
                'kind', c.relkind,
                'persistence', c.relpersistence,
                'is_partition', c.relispartition,
                'populated', c.relispopulated,
                'has_subclass', c.relhassubclass,
                -- if inside
                'ancestors', CASE WHEN c.relispartition THEN ARRAY(
                    SELECT CAST(CAST(u.relid AS pg_catalog.oid) AS pg_catalog.int8)
                    FROM pg_catalog.pg_partition_ancestors(CAST(c.oid AS pg_catalog.regclass)) AS u
                    WHERE CAST(u.relid AS pg_catalog.oid) OPERATOR(pg_catalog.<>) c.oid
                ) END,
                -- end inside
                'heap', z.heap,
                'toast', z.toast,
                'pages', c.relpages,
                'rows', c.reltuples,
                -- if parts
                'bound', CASE
                    WHEN c.relispartition AND NOT c.oid OPERATOR(pg_catalog.=) ANY (x.oids)
                        THEN pg_catalog.pg_get_expr(c.relpartbound, c.oid)
                END,
                -- All that Postgres checks of a partition's rows; it locks the tables above to tell.
                'partition_constraint', CASE
                    WHEN c.relispartition
                        AND c.oid OPERATOR(pg_catalog.=) ANY (these.found)
                        AND NOT EXISTS (
                            SELECT 1
                            FROM pg_catalog.pg_partition_ancestors(CAST(c.oid AS pg_catalog.regclass)) AS a (oid)
                            WHERE CAST(a.oid AS pg_catalog.oid) OPERATOR(pg_catalog.=) ANY (x.oids)
                        ) THEN pg_catalog.pg_get_partition_constraintdef(c.oid)
                END,
                -- The CHECK that a DETACH CONCURRENTLY has added is of the transaction that marked the partition.
                'pending_checks', CASE WHEN c.relispartition THEN (
                    SELECT pg_catalog.json_agg(k.conname)
                    FROM pg_catalog.pg_inherits AS h
                    JOIN pg_catalog.pg_constraint AS k
                        ON k.conrelid OPERATOR(pg_catalog.=) h.inhrelid
                        AND k.contype OPERATOR(pg_catalog.=) 'c'
                        AND CAST(k.xmin AS pg_catalog.text) OPERATOR(pg_catalog.=) CAST(h.xmin AS pg_catalog.text)
                    WHERE h.inhrelid OPERATOR(pg_catalog.=) c.oid AND inhdetachpending
                ) END,
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
                                WHERE k.conrelid OPERATOR(pg_catalog.=) ANY (x.oids) OR k.confrelid OPERATOR(pg_catalog.=) ANY (x.oids)
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
                -- if trees
                -- if inside
                'below', ARRAY(
                    SELECT CAST(u.oid AS pg_catalog.int8) FROM tree AS u
                    WHERE u.root OPERATOR(pg_catalog.=) c.oid AND u.oid OPERATOR(pg_catalog.<>) c.oid
                ),
                -- end inside
                -- end trees
                -- if detail
                'partition_key', CASE
                    WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN pg_catalog.pg_get_partkeydef(c.oid)
                END,
                'checked_below', CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'p' THEN (
                    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(b.name, b.times))
                    FROM (
                        SELECT k.conname AS name, pg_catalog.count(*) AS times
                        FROM tree AS w
                        JOIN pg_catalog.pg_class AS x
                            ON x.oid OPERATOR(pg_catalog.=) w.oid AND x.relkind OPERATOR(pg_catalog.<>) 'p'
                        JOIN pg_catalog.pg_constraint AS k
                            ON k.conrelid OPERATOR(pg_catalog.=) w.oid
                            AND k.contype OPERATOR(pg_catalog.=) 'c'
                            AND k.convalidated
                        WHERE w.root OPERATOR(pg_catalog.=) c.oid
                        GROUP BY k.conname
                    ) AS b
                ) END,
                -- end detail
                -- if place
                'tablespace', (
                    SELECT y.spcname
                    FROM pg_catalog.pg_database AS b
                    JOIN pg_catalog.pg_tablespace AS y ON y.oid OPERATOR(pg_catalog.=) CASE
                        WHEN c.reltablespace OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN b.dattablespace
                        ELSE c.reltablespace
                    END
                    WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                ),
                'access_method', (
                    SELECT m.amname FROM pg_catalog.pg_am AS m WHERE m.oid OPERATOR(pg_catalog.=) c.relam
                ),
                -- end place
                -- if swaps
                'published', (
                    SELECT pg_catalog.json_agg(DISTINCT b.pubname)
                    FROM pg_catalog.pg_publication_tables AS b
                    WHERE b.schemaname OPERATOR(pg_catalog.=) (
                            SELECT n.nspname FROM pg_catalog.pg_namespace AS n WHERE n.oid OPERATOR(pg_catalog.=) c.relnamespace
                        ) AND b.tablename OPERATOR(pg_catalog.=) c.relname
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
                -- What only the tables have that inherit from it: the columns of each CHECK, and indexes.
                'heirs', (
                    SELECT pg_catalog.json_build_object(
                        'checked', (
                            SELECT pg_catalog.json_agg(ARRAY(
                                SELECT a.attname FROM pg_catalog.pg_attribute AS a
                                WHERE a.attrelid OPERATOR(pg_catalog.=) k.conrelid AND a.attnum OPERATOR(pg_catalog.=) ANY (k.conkey)
                            ))
                            FROM pg_catalog.pg_constraint AS k
                            WHERE k.conrelid OPERATOR(pg_catalog.=) ANY (w.oids)
                                AND k.contype OPERATOR(pg_catalog.=) 'c'
                                AND k.convalidated
                                AND k.conislocal
                                AND conenforced
                        ),
                        'indexes', (
                            SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                                'oid', CAST(i.indexrelid AS pg_catalog.int8),
                                'name', CAST(CAST(i.indexrelid AS pg_catalog.regclass) AS pg_catalog.text),
                                'table_oid', CAST(i.indrelid AS pg_catalog.int8),
                                'table', (pg_catalog.pg_identify_object('1259', i.indrelid, 0)).identity,
                                'valid', i.indisvalid,
                                'unique', i.indisunique,
                                'partition', (
                                    SELECT x.relispartition FROM pg_catalog.pg_class AS x
                                    WHERE x.oid OPERATOR(pg_catalog.=) i.indexrelid
                                ),
                                'partitioned', (
                                    SELECT x.relkind OPERATOR(pg_catalog.=) 'I' FROM pg_catalog.pg_class AS x
                                    WHERE x.oid OPERATOR(pg_catalog.=) i.indexrelid
                                ),
                                'derived', i.indexprs IS NOT NULL OR i.indpred IS NOT NULL,
                                'makeup', (/* makeup */)
                            ))
                            FROM pg_catalog.pg_index AS i
                            WHERE i.indrelid OPERATOR(pg_catalog.=) ANY (w.oids)
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
                'spaced', c.reltablespace OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
            ))
            FROM pg_catalog.pg_class AS c
            CROSS JOIN LATERAL (/* size */) AS z
            WHERE c.oid OPERATOR(pg_catalog.=) ANY (these.oids)
        )
    ) AS pg_catalog.text), pg_catalog.getdatabaseencoding()), 'base64')
) AS interlock
-- What an old server lacks: a name without a table is looked for from the inside out.
FROM (SELECT false AS inhdetachpending, true AS conenforced) AS older, these, closed AS x
