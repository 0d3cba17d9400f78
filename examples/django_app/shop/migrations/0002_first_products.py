"""Something to sell from the first start on, so that ``migrate`` is the only command needed."""

from django.db import migrations

PRODUCTS = (
    ("bread", "Rye bread", "food", 320),
    ("honey", "Forest honey", "food", 590),
    ("kettle", "Enamel kettle", "goods", 3400),
    ("lamp", "Desk lamp", "goods", 4200),
)


def stock_shelves(apps, schema_editor):
    product = apps.get_model("shop", "Product")
    for slug, name, kind, net_cents in PRODUCTS:
        product.objects.get_or_create(slug=slug, defaults={"name": name, "kind": kind, "net_cents": net_cents})


class Migration(migrations.Migration):
    dependencies = (("shop", "0001_initial"),)
    operations = (migrations.RunPython(stock_shelves, migrations.RunPython.noop),)
