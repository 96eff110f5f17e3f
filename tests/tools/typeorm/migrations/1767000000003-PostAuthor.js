module.exports.PostAuthor = class PostAuthor {
  name = 'PostAuthor1767000000003';

  async up(queryRunner) {
    await queryRunner.query(`ALTER TABLE "posts" ADD "author_id" bigint`);
    await queryRunner.query(`ALTER TABLE "posts" ADD CONSTRAINT "FK_posts_author" FOREIGN KEY ("author_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE NO ACTION`);
  }

  async down() {}
};
