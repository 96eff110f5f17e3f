exports.up = async (knex) => {
  await knex.raw('CREATE INDEX CONCURRENTLY posts_created_at_idx ON posts (created_at)');
};
exports.down = async () => {};
exports.config = { transaction: false };
