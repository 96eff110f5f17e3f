module.exports.Bigint = class Bigint {
  name = 'Bigint1767000000012';

  async up(queryRunner) {
    await queryRunner.query(`SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'`);
    await queryRunner.query(`ALTER TABLE "products" ALTER COLUMN "stock" TYPE bigint`);
  }

  async down() {}
};
