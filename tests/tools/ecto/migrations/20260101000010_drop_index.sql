DROP INDEX "users_age_index";
