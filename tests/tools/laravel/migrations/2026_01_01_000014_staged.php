<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Staged extends Migration {
    public function up()
    {
        DB::statement("ALTER TABLE products ADD CONSTRAINT products_stock_check CHECK (stock >= 0) NOT VALID");
        DB::statement("ALTER TABLE posts ADD CONSTRAINT body_is_there CHECK (body IS NOT NULL) NOT VALID");
        DB::statement("ALTER TABLE products ADD CONSTRAINT products_origin_id_fkey FOREIGN KEY (origin_id) REFERENCES products (id) NOT VALID");
    }
}
