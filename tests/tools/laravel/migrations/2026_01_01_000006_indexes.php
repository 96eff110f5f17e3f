<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Indexes extends Migration {
    public function up()
    {
        Schema::table('posts', function (Blueprint $table) {
            $table->index('title');
        });
        DB::statement("CREATE INDEX posts_recent_idx ON posts (created_at DESC) WHERE id > 100");
        DB::statement("CREATE UNIQUE INDEX users_email_idx ON users (lower(email))");
    }
}
