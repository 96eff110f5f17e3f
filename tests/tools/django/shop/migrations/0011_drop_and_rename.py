from django.db import migrations

from shop.knowingly import knowingly


class Migration(migrations.Migration):
    dependencies = (("shop", "0010_bigint"),)
    operations = knowingly(
        migrations.RemoveField("Post", "legacy"),
        migrations.RenameField("User", "nickname", "handle"),
    )
