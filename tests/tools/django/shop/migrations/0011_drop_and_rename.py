from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("shop", "0010_bigint"),)
    operations = (
        migrations.RemoveField("Post", "legacy"),
        migrations.RenameField("User", "nickname", "handle"),
    )
