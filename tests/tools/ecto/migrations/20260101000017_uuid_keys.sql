ALTER TABLE "posts" ADD COLUMN "token_id" uuid, ADD CONSTRAINT "posts_token_id_fkey" FOREIGN KEY ("token_id") REFERENCES "tokens"("id");
CREATE INDEX "posts_token_id_index" ON "posts" ("token_id");
