from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0015_uuid_keys"),)
    operations = (
        migrations.AddField("Post", "slug", models.TextField(null=True)),
        migrations.AddIndex("Post", models.Index(fields=["slug"], name="posts_slug_idx")),
    )
