from django.db import migrations, models
from django.db.models.functions import Now

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            "User",
            [
                ("id", ID),
                ("email", models.TextField(null=True)),
                ("name", models.TextField()),
                ("nickname", models.TextField(null=True)),
                ("age", models.IntegerField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "users", "indexes": [models.Index(fields=["age"], name="users_age_idx")]},
        ),
        migrations.CreateModel(
            "Post",
            [
                ("id", ID),
                ("title", models.TextField()),
                ("body", models.TextField(null=True)),
                ("legacy", models.TextField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "posts"},
        ),
        migrations.CreateModel(
            "Product",
            [
                ("id", ID),
                ("sku", models.TextField()),
                ("price", models.IntegerField()),
                ("stock", models.IntegerField(db_default=0)),
                ("owner", models.BigIntegerField(db_column="owner_id")),
                ("origin", models.BigIntegerField(db_column="origin_id", null=True)),
            ],
            options={"db_table": "products"},
        ),
        migrations.CreateModel(
            "Token",
            [
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("label", models.TextField(null=True)),
            ],
            options={"db_table": "tokens"},
        ),
    )
