<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Slug extends Migration {
    public function up()
    {
        Schema::table('posts', function (Blueprint $table) {
            $table->text('slug')->nullable();
            $table->index('slug', 'posts_slug_idx');
        });
    }

    public function down()
    {
        Schema::table('posts', function (Blueprint $table) {
            $table->dropIndex('posts_slug_idx');
            $table->dropColumn('slug');
        });
    }
}
