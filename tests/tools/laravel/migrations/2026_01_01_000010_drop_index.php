<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class DropIndex extends Migration {
    public function up()
    {
        Schema::table('users', function (Blueprint $table) {
            $table->dropIndex('users_age_idx');
        });
    }
}
