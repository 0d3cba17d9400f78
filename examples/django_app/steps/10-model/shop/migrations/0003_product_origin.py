"""Where a product comes from."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0002_first_products"),)
    operations = (
        migrations.AddField(
            model_name="product",
            name="origin",
            field=models.CharField(default="around the corner", max_length=40),
        ),
    )
