SELECT pg_catalog.json_build_object(
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
    -- Its keys, and whether each sorts by its column's own collation.
    'keys', (
        SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attname, q.sorting OPERATOR(pg_catalog.=) a.attcollation))
        FROM ROWS FROM (
            pg_catalog.unnest(CAST(i.indkey AS pg_catalog.int2[])), pg_catalog.unnest(CAST(i.indcollation AS pg_catalog.oid[]))
        ) AS q (number, sorting)
        JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attnum OPERATOR(pg_catalog.=) q.number
        WHERE q.sorting IS NOT NULL
    )
)
