module.exports.DropIndex = class DropIndex {
  name = 'DropIndex1767000000010';

  async up(queryRunner) {
    await queryRunner.dropIndex('users', 'users_age_idx');
  }

  async down() {}
};
