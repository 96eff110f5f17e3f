DROP INDEX users_age_idx;
INSERT INTO schema_history VALUES (12, 'drop_index');
