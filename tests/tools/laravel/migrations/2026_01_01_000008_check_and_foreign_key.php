<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class CheckAndForeignKey extends Migration {
    public function up()
    {
        DB::statement("ALTER TABLE products ADD CONSTRAINT products_price_check CHECK (price >= 0)");
        Schema::table('products', function (Blueprint $table) {
            $table->foreign('owner_id')->references('id')->on('users');
        });
    }
}
