module.exports.DropAndRename = class DropAndRename {
  name = 'DropAndRename1767000000009';

  async up(queryRunner) {
    await queryRunner.dropColumn('posts', 'legacy');
    await queryRunner.renameColumn('users', 'nickname', 'handle');
  }

  async down() {}
};
