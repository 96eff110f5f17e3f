<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class StagedValidate extends Migration {
    public function up()
    {
        DB::statement("ALTER TABLE products VALIDATE CONSTRAINT products_stock_check");
        DB::statement("ALTER TABLE posts VALIDATE CONSTRAINT body_is_there");
        DB::statement("ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey");
        DB::statement("ALTER TABLE posts ALTER COLUMN body SET NOT NULL");
        DB::statement("ALTER TABLE posts DROP CONSTRAINT body_is_there");
    }
}
