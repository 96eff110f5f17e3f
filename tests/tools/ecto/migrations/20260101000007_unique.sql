CREATE UNIQUE INDEX "products_sku_index" ON "products" ("sku");
