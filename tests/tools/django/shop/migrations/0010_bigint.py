from django.db import migrations, models

from shop.knowingly import knowingly


class Migration(migrations.Migration):
    dependencies = (("shop", "0009_volatile_default"),)
    operations = knowingly(migrations.AlterField("Product", "stock", models.BigIntegerField(db_default=0)))
