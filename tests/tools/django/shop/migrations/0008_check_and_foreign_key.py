from django.db import migrations, models
from django.db.models import CASCADE, Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("shop", "0007_unique"),)
    operations = (
        migrations.AddConstraint(
            "Product", models.CheckConstraint(condition=Q(price__gte=0), name="products_price_check")
        ),
        # The column is there; what the database gets is a foreign key.
        migrations.AlterField("Product", "owner", models.ForeignKey("shop.User", CASCADE, db_index=False)),
    )
