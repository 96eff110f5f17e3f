"""The shop as it is after all migrations."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import CASCADE, Q
from django.db.models.functions import Now


class User(models.Model):
    email = models.TextField()
    name = models.TextField()
    handle = models.TextField(null=True)
    age = models.IntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "users"
        constraints = (models.UniqueConstraint(fields=["email"], name="users_email_key"),)


class Category(models.Model):
    slug = models.SlugField(unique=True)
    name = models.TextField()

    class Meta:
        db_table = "categories"
        indexes = (models.Index(fields=["name"], name="categories_name_idx"),)


class Post(models.Model):
    title = models.TextField()
    body = models.TextField()
    author = models.ForeignKey(User, CASCADE)
    token = models.ForeignKey("Token", CASCADE, null=True)
    slug = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "posts"
        indexes = (
            models.Index(fields=["title"], name="posts_title_idx"),
            models.Index(fields=["-created_at"], name="posts_recent_idx", condition=Q(id__gt=100)),
            models.Index(fields=["created_at"], name="posts_created_at_idx"),
            models.Index(fields=["slug"], name="posts_slug_idx"),
        )


class Product(models.Model):
    sku = models.TextField(unique=True)
    price = models.IntegerField()
    stock = models.BigIntegerField(db_default=0)
    owner = models.ForeignKey(User, CASCADE, db_index=False)
    origin = models.BigIntegerField(db_column="origin_id", null=True)
    uid = models.UUIDField(db_default=RandomUUID())

    class Meta:
        db_table = "products"
        constraints = (
            models.CheckConstraint(condition=Q(price__gte=0), name="products_price_check"),
            models.CheckConstraint(condition=Q(stock__gte=0), name="products_stock_check"),
        )


class Token(models.Model):
    id = models.UUIDField(primary_key=True)
    label = models.TextField(null=True)

    class Meta:
        db_table = "tokens"
