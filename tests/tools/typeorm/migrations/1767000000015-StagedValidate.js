module.exports.StagedValidate = class StagedValidate {
  name = 'StagedValidate1767000000015';

  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE products VALIDATE CONSTRAINT products_stock_check`);
    await queryRunner.query(`ALTER TABLE posts VALIDATE CONSTRAINT body_is_there`);
    await queryRunner.query(`ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey`);
    await queryRunner.query(`ALTER TABLE posts ALTER COLUMN body SET NOT NULL`);
    await queryRunner.query(`ALTER TABLE posts DROP CONSTRAINT body_is_there`);
  }

  async down() {}
};
