<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Concurrently extends Migration {
    public $withinTransaction = false;

    public function up()
    {
        DB::statement("CREATE INDEX CONCURRENTLY posts_created_at_idx ON posts (created_at)");
    }
}
