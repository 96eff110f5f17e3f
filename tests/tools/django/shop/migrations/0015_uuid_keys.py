import uuid

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    tokens = apps.get_model("shop", "Token").objects.order_by("id")
    last = uuid.UUID(int=0)
    while batch := list(tokens.filter(id__gt=last).values_list("id", flat=True)[:1000]):
        tokens.filter(id__in=batch).update(label="new")
        last = batch[-1]


class Migration(migrations.Migration):
    dependencies = (("shop", "0014_staged_validate"),)
    operations = (
        migrations.AddField("Post", "token", models.ForeignKey("shop.Token", models.CASCADE, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    )
