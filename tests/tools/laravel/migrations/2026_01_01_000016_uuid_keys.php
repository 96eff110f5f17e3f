<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class UuidKeys extends Migration {
    public function up()
    {
        Schema::table('posts', function (Blueprint $table) {
            $table->foreignUuid('token_id')->nullable()->constrained();
            $table->index('token_id');
        });
        DB::table('tokens')->orderBy('id')->chunkById(1000, function ($rows) {
            DB::table('tokens')->whereIn('id', $rows->pluck('id'))->update(['label' => 'new']);
        });
    }
}
