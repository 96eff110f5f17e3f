ALTER TABLE "products" ADD CONSTRAINT "price_must_not_be_negative" CHECK (price >= 0);
ALTER TABLE "products" ALTER COLUMN "owner_id" TYPE bigint, ADD CONSTRAINT "products_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "users"("id");
