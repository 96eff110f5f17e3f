SELECT
    -- of what is never stored 0, of what others keep locked NULL
    CASE
        WHEN c.relkind OPERATOR(pg_catalog.=) 'f' THEN NULL
        WHEN c.relkind OPERATOR(pg_catalog.<>) ALL (CAST(ARRAY['r', 'm', 't', 'i', 'S'] AS pg_catalog."char"[])) THEN 0
        WHEN c.oid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL
        ELSE pg_catalog.pg_relation_size(CAST(c.oid AS pg_catalog.regclass), 'main')
    END AS heap,
    CASE
        WHEN c.reltoastrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid) THEN 0
        WHEN c.reltoastrelid OPERATOR(pg_catalog.=) ANY (x.oids) THEN NULL
        ELSE pg_catalog.pg_relation_size(CAST(c.reltoastrelid AS pg_catalog.regclass), 'main')
    END AS toast
