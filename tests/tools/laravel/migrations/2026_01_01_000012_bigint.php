<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Bigint extends Migration {
    public function up()
    {
        DB::statement("SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'");
        DB::statement("ALTER TABLE products ALTER COLUMN stock TYPE bigint");
    }
}
