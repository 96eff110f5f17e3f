from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    apps.get_model("shop", "User").objects.filter(age=None).update(age=18)
    apps.get_model("shop", "Post").objects.filter(author=None).update(author_id=F("id"))


class Migration(migrations.Migration):
    dependencies = (("shop", "0003_post_author"),)
    operations = (migrations.RunPython(fill, migrations.RunPython.noop),)
