from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0013_staged"),)
    operations = (
        ValidateConstraint("Product", "products_stock_check"),
        migrations.RunSQL("ALTER TABLE products VALIDATE CONSTRAINT products_origin_id_fkey", ""),
        migrations.RunSQL("ALTER TABLE posts VALIDATE CONSTRAINT body_is_there", ""),
        migrations.AlterField("Post", "body", models.TextField()),
        migrations.RunSQL("ALTER TABLE posts DROP CONSTRAINT body_is_there", ""),
    )
