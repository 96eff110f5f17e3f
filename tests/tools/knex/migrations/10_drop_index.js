exports.up = (knex) => knex.schema.alterTable('users', (t) => t.dropIndex(['age'], 'users_age_idx'));
exports.down = async () => {};
