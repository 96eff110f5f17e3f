"""The shop's tables."""

from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Customer",
            fields=[("id", ID), ("email", models.TextField(null=True))],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", ID),
                ("number", models.TextField(null=True)),
                ("total", models.DecimalField(max_digits=12, decimal_places=2, null=True)),
                ("placed_at", models.DateTimeField(null=True)),
            ],
        ),
        # Rows, for what comes next is harmless on an empty table and Interlock leaves small ones alone.
        migrations.RunSQL(
            "INSERT INTO shop_order (number, total, placed_at)"
            " SELECT 'N-' || i, i % 1000, now() FROM generate_series(1, 300000) i",
            migrations.RunSQL.noop,
        ),
    )
