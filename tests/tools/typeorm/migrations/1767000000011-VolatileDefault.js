module.exports.VolatileDefault = class VolatileDefault {
  name = 'VolatileDefault1767000000011';

  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE "products" ADD "uid" uuid NOT NULL DEFAULT gen_random_uuid()`);
  }

  async down() {}
};
