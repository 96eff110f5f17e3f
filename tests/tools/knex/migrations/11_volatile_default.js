exports.up = async (knex) => {
  await knex.schema.alterTable('products', (t) => t.uuid('uid').notNullable().defaultTo(knex.raw('gen_random_uuid()')));
};
exports.down = async () => {};
