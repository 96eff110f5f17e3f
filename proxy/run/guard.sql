-- The second line of defence: event triggers that stop or report schema changes which Interlock has not decided about.
-- {stop} is whether they are stopped, {tags} the commands that this server's event triggers know.
--
-- They tell by two things: the setting interlock.via, which Interlock gives to its sessions when they begin (anybody can
-- set it: this is against accidents, not against adversaries), and the call stack. Of a session through Interlock, what
-- stands at the top, in a DO block or in a procedure has been read; what a function or a trigger runs has not.
CREATE SCHEMA IF NOT EXISTS interlock_guard;

CREATE OR REPLACE FUNCTION interlock_guard.is_new(relation oid) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $function$
-- Made in this very transaction, so that nobody else can be blocked. The row of its tableoid is never written again.
DECLARE
    top bigint := (pg_current_xact_id_if_assigned())::text::bigint;
    ahead bigint;
BEGIN
    SELECT (a.xmin::text::bigint - top % 4294967296 + 4294967296) % 4294967296 INTO ahead
    FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = -6;
    RETURN ahead < 1000000 AND pg_xact_status((top + ahead)::text::xid8) = 'in progress';
EXCEPTION WHEN invalid_parameter_value THEN  -- of a transaction that is still to come: it was an old one, four thousand million ago
    RETURN false;
END
$function$;

CREATE OR REPLACE FUNCTION interlock_guard.decide(event text, tag text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lc_messages = 'C' AS $function$
DECLARE
    stop CONSTANT boolean := {stop};
    marked CONSTANT boolean := COALESCE(current_setting('interlock.via', true), '') <> '';
    context text;
    frames text[];
    outermost text;
    road text;
    about text;
BEGIN
    IF COALESCE(current_setting('interlock.allow', true), '') LIKE 'guard:%' THEN
        RETURN;
    END IF;
    GET DIAGNOSTICS context = PG_CONTEXT;
    frames := ARRAY(
        SELECT COALESCE(m[1], m[2]) FROM regexp_matches(
            context, '^(?:PL/pgSQL function (.*) line \d+ at .*|SQL function "(.*)" statement \d+)$', 'gn') WITH ORDINALITY AS f(m, n)
        ORDER BY n);
    outermost := CASE WHEN cardinality(frames) > 2 THEN frames[cardinality(frames)] END;  -- the first two are the guard's own
    -- A routine is called there as its caller's search_path has it, with or without a schema.
    IF marked AND (outermost IS NULL OR outermost = 'inline_code_block' OR EXISTS (
        SELECT FROM pg_proc WHERE prokind = 'p' AND '.' || outermost = right('.' || oid::regprocedure::text, length(outermost) + 1)))
    THEN
        RETURN;
    END IF;
    IF event = 'table_rewrite' THEN
        SELECT c.oid::regclass::text INTO about FROM pg_class c
        WHERE c.oid = pg_event_trigger_table_rewrite_oid() AND c.relpersistence <> 't' AND NOT interlock_guard.is_new(c.oid);
    ELSIF event = 'sql_drop' THEN
        SELECT d.object_identity INTO about FROM pg_event_trigger_dropped_objects() d
        WHERE d.object_type IN ('table', 'table column', 'index', 'materialized view') AND NOT d.is_temporary
        ORDER BY d.original DESC LIMIT 1;
    ELSE
        SELECT t.oid::regclass::text INTO about
        FROM pg_event_trigger_ddl_commands() d
        LEFT JOIN pg_index i ON i.indexrelid = d.objid
        JOIN pg_class t ON t.oid = COALESCE(i.indrelid, d.objid)
        WHERE d.classid = 'pg_class'::regclass AND NOT d.in_extension AND t.relpersistence <> 't'
            AND t.relkind IN ('r', 'p', 'm', 'f') AND NOT interlock_guard.is_new(t.oid)
        LIMIT 1;
    END IF;
    IF about IS NULL THEN
        RETURN;
    END IF;
    road := CASE WHEN outermost IS NULL OR outermost = 'inline_code_block'
        THEN 'The session does not come through Interlock.'
        ELSE format('It was run by %s, which was called or set off by another statement.', outermost) END;
    IF stop THEN
        RAISE EXCEPTION '% of % was not decided about by Interlock', tag, about USING
            ERRCODE = 'IL005', DETAIL = road,
            HINT = 'Send it through Interlock as a statement of its own, or say SET interlock.allow = ''guard: reason'' before it.';
    END IF;
    RAISE WARNING '% of % was not decided about by Interlock', tag, about USING ERRCODE = 'IL005', DETAIL = road;
END
$function$;

-- Most of what comes needs no more than this: nothing is set here, for that costs two milliseconds.
CREATE OR REPLACE FUNCTION interlock_guard.check() RETURNS event_trigger
LANGUAGE plpgsql AS $function$
DECLARE
    context text;
BEGIN
    IF COALESCE(pg_catalog.current_setting('interlock.via', true), '') OPERATOR(pg_catalog.<>) '' THEN
        GET DIAGNOSTICS context = PG_CONTEXT;
        IF pg_catalog.strpos(context, E'\n') OPERATOR(pg_catalog.=) 0 THEN
            RETURN;  -- a statement of the client's own
        END IF;
    END IF;
    IF TG_EVENT OPERATOR(pg_catalog.=) 'sql_drop' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE NOT is_temporary)
    THEN
        RETURN;
    END IF;
    PERFORM interlock_guard.decide(TG_EVENT, TG_TAG);
END
$function$;

GRANT USAGE ON SCHEMA interlock_guard TO PUBLIC;

CREATE EVENT TRIGGER interlock_guard_end ON ddl_command_end WHEN TAG IN ({tags}) EXECUTE FUNCTION interlock_guard.check();
CREATE EVENT TRIGGER interlock_guard_drop ON sql_drop EXECUTE FUNCTION interlock_guard.check();
CREATE EVENT TRIGGER interlock_guard_rewrite ON table_rewrite EXECUTE FUNCTION interlock_guard.check();
