from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0009_volatile_default"),)
    operations = (
        migrations.RunSQL("SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'", ""),
        migrations.AlterField("Product", "stock", models.BigIntegerField(db_default=0)),
        migrations.RunSQL("", "SET LOCAL interlock.allow = 'column-type-rewrite: a maintenance window was announced'"),
    )
