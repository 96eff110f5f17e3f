UPDATE users SET age = 18 WHERE age IS NULL;
DO $body$
DECLARE
    filled int;
BEGIN
    LOOP -- in batches; the semicolons in here end nothing
        UPDATE posts SET author_id = id WHERE id IN (SELECT id FROM posts WHERE author_id IS NULL LIMIT 1000);
        GET DIAGNOSTICS filled = ROW_COUNT;
        EXIT WHEN filled = 0;
    END LOOP;
END
$body$;
INSERT INTO schema_history VALUES (4, 'fill');
