<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class NotNull extends Migration {
    public function up()
    {
        DB::statement("ALTER TABLE users ALTER COLUMN email SET NOT NULL");
        DB::statement("ALTER TABLE posts ALTER COLUMN author_id SET NOT NULL");
    }
}
