module.exports.Staged = class Staged {
  name = 'Staged1767000000014';

  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE products ADD CONSTRAINT products_stock_check CHECK (stock >= 0) NOT VALID`);
    await queryRunner.query(`ALTER TABLE posts ADD CONSTRAINT body_is_there CHECK (body IS NOT NULL) NOT VALID`);
    await queryRunner.query(`ALTER TABLE products ADD CONSTRAINT products_origin_id_fkey FOREIGN KEY (origin_id) REFERENCES products (id) NOT VALID`);
  }

  async down() {}
};
