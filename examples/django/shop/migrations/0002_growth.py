"""What a growing shop asks for."""

from django.db import migrations, models
from django.db.models import PROTECT, Q


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY and the like cannot run in a transaction

    dependencies = (("shop", "0001_tables"),)
    operations = (
        migrations.AddField("Order", "customer", models.ForeignKey("shop.Customer", PROTECT, null=True)),
        migrations.RunSQL(
            "INSERT INTO shop_customer (email) VALUES ('buyer@example.com');"
            "UPDATE shop_order SET customer_id = (SELECT min(id) FROM shop_customer)",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField("Order", "customer", models.ForeignKey("shop.Customer", PROTECT)),
        migrations.AddIndex("Order", models.Index(fields=["placed_at"], name="order_placed_at_idx")),
        migrations.AddConstraint("Order", models.CheckConstraint(condition=Q(total__gte=0), name="total_positive")),
        migrations.AlterField("Order", "placed_at", models.DateTimeField()),
        migrations.AlterField("Order", "total", models.DecimalField(max_digits=12, decimal_places=2)),
        migrations.AlterField("Order", "number", models.TextField(unique=True)),
        migrations.AlterField("Customer", "email", models.TextField(unique=True)),
    )
