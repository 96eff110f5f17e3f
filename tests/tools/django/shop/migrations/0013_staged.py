"""What careful people write without Interlock: it is left as it is, in a transaction or not."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = (("shop", "0012_drop_index"),)
    operations = (
        AddConstraintNotValid(
            "Product", models.CheckConstraint(condition=Q(stock__gte=0), name="products_stock_check")
        ),
        migrations.RunSQL(
            "ALTER TABLE products ADD CONSTRAINT products_origin_id_fkey FOREIGN KEY (origin_id) REFERENCES products (id) NOT VALID",
            "ALTER TABLE products DROP CONSTRAINT products_origin_id_fkey",
        ),
        migrations.RunSQL("ALTER TABLE posts ADD CONSTRAINT body_is_there CHECK (body IS NOT NULL) NOT VALID", ""),
    )
