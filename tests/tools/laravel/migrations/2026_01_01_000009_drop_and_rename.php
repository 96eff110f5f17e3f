<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class DropAndRename extends Migration {
    public function up()
    {
        Schema::table('posts', function (Blueprint $table) {
            $table->dropColumn('legacy');
        });
        DB::statement("ALTER TABLE users RENAME COLUMN nickname TO handle");
    }
}
