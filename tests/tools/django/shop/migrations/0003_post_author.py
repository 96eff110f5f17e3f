from django.db import migrations, models
from django.db.models import CASCADE


class Migration(migrations.Migration):
    atomic = False  # the column comes with an index

    dependencies = (("shop", "0002_categories"),)
    operations = (migrations.AddField("Post", "author", models.ForeignKey("shop.User", CASCADE, null=True)),)
