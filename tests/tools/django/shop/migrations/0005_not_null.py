from django.db import migrations, models
from django.db.models import CASCADE


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("shop", "0004_fill"),)
    operations = (
        migrations.AlterField("User", "email", models.TextField()),
        migrations.AlterField("Post", "author", models.ForeignKey("shop.User", CASCADE)),
    )
