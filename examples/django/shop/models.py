"""The shop as it is after both migrations."""

from django.db import models


class Customer(models.Model):
    email = models.TextField(unique=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    number = models.TextField(unique=True)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    placed_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["placed_at"], name="order_placed_at_idx"),)
        constraints = (models.CheckConstraint(condition=models.Q(total__gte=0), name="total_positive"),)
