"""Is there an invalid index of that name that nobody is building: the rest of a build that failed?

Parameters: $1 schema (empty: wherever the search_path finds it), $2 name.  One row, one boolean.
Qualified throughout: the client's search_path is in force (CVE-2025-12819 is what happens otherwise).
"""

from __future__ import annotations

SQL = """/* interlock */ SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) x.relnamespace
    WHERE x.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
        AND (n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name
            OR ($1::pg_catalog.text OPERATOR(pg_catalog.=) '' AND pg_catalog.pg_table_is_visible(x.oid)))
        AND NOT i.indisvalid
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks AS l
            WHERE l.relation OPERATOR(pg_catalog.=) i.indrelid AND l.granted
                AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock'
                AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
                -- no user: autovacuum; backend_type would be hidden from other roles
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_stat_activity AS a
                    WHERE a.pid OPERATOR(pg_catalog.=) l.pid AND a.usesysid IS NULL
                )
        )
)"""
