exports.up = async (knex) => {
  await knex.schema.alterTable('posts', (t) => t.uuid('token_id').references('tokens.id').index());
  for (let last = '00000000-0000-0000-0000-000000000000'; ;) {
    const rows = await knex('tokens').where('id', '>', last).orderBy('id').limit(1000);
    if (rows.length === 0) return;
    await knex('tokens').whereIn('id', rows.map((row) => row.id)).update({ label: 'new' });
    last = rows[rows.length - 1].id;
  }
};
exports.down = async () => {};
