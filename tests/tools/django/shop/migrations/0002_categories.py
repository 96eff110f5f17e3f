from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0001_tables"),)
    operations = (
        migrations.CreateModel(
            "Category",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(unique=True)),
                ("name", models.TextField()),
            ],
            options={"db_table": "categories"},
        ),
        # In the transaction that made the table, where nobody else can see it.
        migrations.AddIndex("Category", models.Index(fields=["name"], name="categories_name_idx")),
    )
