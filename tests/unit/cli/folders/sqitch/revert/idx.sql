BEGIN; DROP INDEX orders_email; COMMIT;
