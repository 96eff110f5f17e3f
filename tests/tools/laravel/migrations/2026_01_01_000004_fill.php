<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Fill extends Migration {
    public function up()
    {
        DB::table('users')->whereNull('age')->update(['age' => 18]);
        DB::table('posts')->whereNull('author_id')->update(['author_id' => DB::raw('id')]);
    }
}
