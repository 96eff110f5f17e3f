-- Another text whenever the column a of the relation c, or anything that hangs on it, is changed: rows of the catalog are
-- never changed, only made anew.  Not the trigger of ours that keeps a second column in step with it.
SELECT pg_catalog.md5(pg_catalog.string_agg(x.it, ' ' ORDER BY x.it))
FROM (
    SELECT CAST(a.xmin AS pg_catalog.text) AS it
    UNION ALL
    SELECT pg_catalog.concat_ws('.', d.classid, d.objid, d.objsubid, d.deptype, k.xmin, i.xmin, n.xmin, q.xmin)
    FROM pg_catalog.pg_depend AS d
    LEFT JOIN pg_catalog.pg_constraint AS k
        ON d.classid OPERATOR(pg_catalog.=) CAST('2606' AS pg_catalog.oid)
        AND k.oid OPERATOR(pg_catalog.=) d.objid
    LEFT JOIN pg_catalog.pg_index AS i
        ON i.indexrelid OPERATOR(pg_catalog.=) COALESCE(k.conindid, d.objid)
    LEFT JOIN pg_catalog.pg_class AS n
        ON d.classid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND n.oid OPERATOR(pg_catalog.=) d.objid
    LEFT JOIN pg_catalog.pg_sequence AS q ON q.seqrelid OPERATOR(pg_catalog.=) n.oid
    WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND d.refobjid OPERATOR(pg_catalog.=) c.oid
        AND d.refobjsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
        AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_trigger AS g
            WHERE d.classid OPERATOR(pg_catalog.=) CAST('2620' AS pg_catalog.oid)
                AND g.oid OPERATOR(pg_catalog.=) d.objid
                AND pg_catalog.starts_with(CAST(g.tgname AS pg_catalog.text), '~_interlock_sync_')
        )
    UNION ALL
    SELECT CAST(e.xmin AS pg_catalog.text)
    FROM pg_catalog.pg_description AS e
    WHERE e.objoid OPERATOR(pg_catalog.=) c.oid
        AND e.classoid OPERATOR(pg_catalog.=) CAST('1259' AS pg_catalog.oid)
        AND e.objsubid OPERATOR(pg_catalog.=) CAST(a.attnum AS pg_catalog.int4)
) AS x
