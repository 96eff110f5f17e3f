ALTER TABLE "products" ADD CONSTRAINT "stock_must_not_be_negative" CHECK (stock >= 0) NOT VALID;
ALTER TABLE "posts" ADD CONSTRAINT "body_not_null" CHECK (body IS NOT NULL) NOT VALID;
ALTER TABLE "products" ALTER COLUMN "origin_id" TYPE bigint, ADD CONSTRAINT "products_origin_id_fkey" FOREIGN KEY ("origin_id") REFERENCES "products"("id") NOT VALID;
