from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("shop", "0005_not_null"),)
    operations = (
        migrations.AddIndex("Post", models.Index(fields=["title"], name="posts_title_idx")),
        migrations.AddIndex(
            "Post", models.Index(fields=["-created_at"], name="posts_recent_idx", condition=Q(id__gt=100))
        ),
        AddIndexConcurrently("Post", models.Index(fields=["created_at"], name="posts_created_at_idx")),
    )
