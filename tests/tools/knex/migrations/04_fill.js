exports.up = async (knex) => {
  await knex('users').whereNull('age').update({ age: 18 });
  await knex('posts').whereNull('author_id').update({ author_id: knex.ref('id') });
};
exports.down = async () => {};
