<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;

class Tables extends Migration {
    public function up()
    {
        Schema::create('users', function (Blueprint $table) {
            $table->id();
            $table->text('email')->nullable();
            $table->text('name');
            $table->text('nickname')->nullable();
            $table->integer('age')->nullable()->index('users_age_idx');
            $table->timestampTz('created_at')->useCurrent();
        });
        Schema::create('posts', function (Blueprint $table) {
            $table->id();
            $table->text('title');
            $table->text('body')->nullable();
            $table->text('legacy')->nullable();
            $table->timestampTz('created_at')->useCurrent();
        });
        Schema::create('products', function (Blueprint $table) {
            $table->id();
            $table->text('sku');
            $table->integer('price');
            $table->integer('stock')->default(0);
            $table->bigInteger('owner_id');
            $table->bigInteger('origin_id')->nullable();
        });
        Schema::create('tokens', function (Blueprint $table) {
            $table->uuid('id')->primary();
            $table->text('label')->nullable();
        });
    }
}
