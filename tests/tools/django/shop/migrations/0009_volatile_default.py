from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models

from shop.knowingly import knowingly


class Migration(migrations.Migration):
    dependencies = (("shop", "0008_check_and_foreign_key"),)
    operations = knowingly(migrations.AddField("Product", "uid", models.UUIDField(db_default=RandomUUID())))
