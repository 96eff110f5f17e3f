from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("shop", "0011_drop_and_rename"),)
    operations = (migrations.RemoveIndex("User", "users_age_idx"),)
