from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0008_check_and_foreign_key"),)
    operations = (migrations.AddField("Product", "uid", models.UUIDField(db_default=RandomUUID())),)
