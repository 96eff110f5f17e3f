UPDATE users SET age = 18 WHERE age IS NULL;
UPDATE posts SET author_id = id WHERE author_id IS NULL;
