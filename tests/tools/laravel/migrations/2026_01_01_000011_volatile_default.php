<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class VolatileDefault extends Migration {
    public function up()
    {
        Schema::table('products', function (Blueprint $table) {
            $table->uuid('uid')->default(DB::raw('gen_random_uuid()'));
        });
    }
}
