from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("shop", "0006_indexes"),)
    operations = (
        migrations.AddConstraint("User", models.UniqueConstraint(fields=["email"], name="users_email_key")),
        migrations.AlterField("Product", "sku", models.TextField(unique=True)),
    )
